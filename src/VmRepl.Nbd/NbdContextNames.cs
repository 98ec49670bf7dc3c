namespace VmRepl.Nbd;

/// <summary>Names of block-status contexts that others know too.</summary>
public static class NbdContextNames
{
    /// <summary>Bit 0: a hole. Bit 1: reads as zeros.</summary>
    public const string Allocation = "base:allocation";

    /// <summary>QEMU's: 0 nothing anywhere, 1 the top file, 2 the next below and so on.</summary>
    public const string AllocationDepth = "qemu:allocation-depth";

    /// <summary>QEMU's, with the name of a bitmap behind it. Bit 0: dirty.</summary>
    public const string DirtyBitmap = "qemu:dirty-bitmap:";
}
