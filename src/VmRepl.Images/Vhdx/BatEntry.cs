namespace VmRepl.Images.Vhdx;

/// <summary>One 64-bit entry of the block allocation table ([MS-VHDX] 2.5.1): state in bits 0 to 2, file offset in MiB in bits 20 to 63.</summary>
internal readonly record struct BatEntry(ulong Bits)
{
    private const int OffsetShift = 20;
    private const ulong Reserved = 0xFFFF8;

    public BatEntry(PayloadState state, long fileOffset)
        : this((ulong)fileOffset | (ulong)state)
    {
    }

    /// <summary>State (2.5.1.1).</summary>
    public PayloadState State => (PayloadState)(Bits & 7);

    /// <summary>Byte offset in the file; has a meaning in the states that store something only. Up to 2^64: compare before casting.</summary>
    public ulong FileOffset => Bits >> OffsetShift << OffsetShift;

    /// <summary>Whether any of bits 3 to 19, which are reserved, is set (2.5.1).</summary>
    public bool HasReservedBits => (Bits & Reserved) != 0;

    /// <summary>Whether the block has a place in the file (2.5.1.1).</summary>
    public bool IsStored => State is PayloadState.FullyPresent or PayloadState.PartiallyPresent;
}
