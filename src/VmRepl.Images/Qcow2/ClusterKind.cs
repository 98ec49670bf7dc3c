namespace VmRepl.Images.Qcow2;

/// <summary>What one image file itself says about a range, its parent left aside.</summary>
internal enum ClusterKind
{
    /// <summary>The parent's contents, or zeros without one ("Cluster mapping").</summary>
    Unallocated,

    /// <summary>Zeros, whatever the parent holds: bit 0 of a "Standard Cluster Descriptor", or the upper half of the bitmap in "Extended L2 Entries".</summary>
    Zero,

    /// <summary>In the file, as it is ("Standard Cluster Descriptor").</summary>
    Data,

    /// <summary>In the file, compressed ("Compressed Clusters Descriptor").</summary>
    Compressed,
}
