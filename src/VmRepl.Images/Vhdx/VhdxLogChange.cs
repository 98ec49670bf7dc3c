namespace VmRepl.Images.Vhdx;

/// <summary>One change that a log entry asks for ([MS-VHDX] 2.3.1.2 to 2.3.1.4), not yet checked.</summary>
/// <param name="FileOffset">First byte.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Sector">The new contents (4096 bytes), or null for zeros.</param>
internal readonly record struct VhdxLogChange(ulong FileOffset, ulong Length, byte[]? Sector);
