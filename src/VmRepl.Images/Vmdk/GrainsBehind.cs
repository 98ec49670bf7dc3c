using VmRepl.Blocks;

namespace VmRepl.Images.Vmdk;

/// <summary>The part of a delta's parent that lies under one extent. Offsets are the extent's; behind the parent's end are zeros.</summary>
internal sealed class GrainsBehind(IBlockDevice parent, long start)
{
    /// <summary>Fills <paramref name="buffer"/> from <paramref name="offset"/> of the extent.</summary>
    public void Read(long offset, Span<byte> buffer) => parent.ReadBehind(start + offset, buffer);

    /// <summary>Whether the parent's map says that it has nothing but zeros there.</summary>
    public bool IsZero(Extent range) => parent.IsZeroBehind(new Extent(start + range.Offset, range.Length));
}
