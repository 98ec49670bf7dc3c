namespace VmRepl.Images.Qcow2;

/// <summary>A run of the disk that one file holds in one way.</summary>
/// <param name="Offset">First byte, in the disk.</param>
/// <param name="Length">Bytes; never zero.</param>
/// <param name="Kind">How it is held.</param>
/// <param name="Host">For data the place in the data file; for a compressed cluster its L2 entry.</param>
internal readonly record struct ClusterRun(long Offset, long Length, ClusterKind Kind, long Host)
{
    public long End => Offset + Length;
}
