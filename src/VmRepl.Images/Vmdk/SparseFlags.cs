namespace VmRepl.Images.Vmdk;

/// <summary>Flags of a sparse extent's header (Virtual Disk Format 5.0, "Hosted Sparse Extents", <c>flags</c>).</summary>
[Flags]
internal enum SparseFlags : uint
{
    /// <summary>No flag is set.</summary>
    None = 0,

    /// <summary>Bit 0, "valid new line detection test": a file sent as text is found out by the four newline bytes.</summary>
    NewlineTest = 1,

    /// <summary>Bit 1, "redundant grain table will be used": there is a second grain directory with tables of its own.</summary>
    Redundant = 2,

    /// <summary>Bit 2, "zeroed-grain GTE will be used": a grain table entry of 1 is a grain of zeros.</summary>
    ZeroedGrains = 4,

    /// <summary>Bit 16, "the grains are compressed" ("Stream-Optimized Compressed Sparse Extents").</summary>
    Compressed = 0x10000,

    /// <summary>Bit 17, "there are markers in the virtual disk": before each grain, table, directory and the footer.</summary>
    Markers = 0x20000,
}
