namespace VmRepl.Nbd;

/// <summary>One run of a block-status context.</summary>
/// <param name="Length">Bytes; never zero.</param>
/// <param name="Flags">What the context's own definition says they mean.</param>
public readonly record struct NbdExtent(long Length, uint Flags);
