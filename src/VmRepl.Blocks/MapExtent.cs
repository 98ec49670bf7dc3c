namespace VmRepl.Blocks;

/// <summary>One run of a disk's allocation map.</summary>
/// <param name="Offset">First byte, in the disk.</param>
/// <param name="Length">Bytes; never zero.</param>
/// <param name="State">What the run is made of.</param>
/// <param name="Depth">Which file of a chain holds it: 0 is the image itself, 1 its parent, and so on.</param>
/// <param name="FileOffset">Where the run begins in that file, or -1 where it has no plain place (zero, unallocated, compressed).</param>
public readonly record struct MapExtent(long Offset, long Length, BlockState State, int Depth = 0, long FileOffset = -1)
{
    public long End => Offset + Length;

    /// <summary>Whether the run has to be read: anything else is zeros.</summary>
    public bool HasData => State is BlockState.Data or BlockState.Compressed;

    public Extent Extent => new(Offset, Length);
}
