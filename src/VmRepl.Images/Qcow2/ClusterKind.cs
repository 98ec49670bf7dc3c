namespace VmRepl.Images.Qcow2;

/// <summary>What one image file itself says about a range, its parent left aside.</summary>
internal enum ClusterKind
{
    /// <summary>The parent's contents, or zeros without one.</summary>
    Unallocated,

    /// <summary>Zeros, whatever the parent holds.</summary>
    Zero,

    Data,

    Compressed,
}
