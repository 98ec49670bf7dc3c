namespace VmRepl.Nbd.Wire;

/// <summary>The flags by which both sides greet; the same numbers in both directions.</summary>
[Flags]
internal enum NbdHandshakeFlags : ushort
{
    None = 0,
    FixedNewstyle = 1,

    /// <summary>The 124 zeros after the answer to <see cref="NbdOption.ExportName"/> are left out.</summary>
    NoZeroes = 2,
}
