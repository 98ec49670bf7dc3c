namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl image diff</c> prints.</summary>
/// <param name="Size">Virtual size in bytes.</param>
/// <param name="Backing">The backing file as it was written into the overlay.</param>
/// <param name="BytesRead">Read from both images together.</param>
/// <param name="BytesWritten">Contents that are in the overlay.</param>
/// <param name="BytesZeroed">Contents of the old image that the overlay makes zeros.</param>
public sealed record DiffReport(string File, string Format, long Size, string Backing, string BackingFormat, long BytesRead, long BytesWritten, long BytesZeroed);
