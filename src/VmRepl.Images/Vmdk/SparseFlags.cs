namespace VmRepl.Images.Vmdk;

/// <summary>Flags of a sparse extent's header (Virtual Disk Format 5.0, "Hosted Sparse Extents", <c>flags</c>).</summary>
[Flags]
internal enum SparseFlags : uint
{
    None = 0,

    /// <summary>The four newline bytes have a meaning: a file sent as text is found out by them.</summary>
    NewlineTest = 1,

    /// <summary>There is a second grain directory with tables of its own.</summary>
    Redundant = 2,

    /// <summary>A grain table entry of 1 is a grain of zeros.</summary>
    ZeroedGrains = 4,

    Compressed = 0x10000,

    Markers = 0x20000,
}
