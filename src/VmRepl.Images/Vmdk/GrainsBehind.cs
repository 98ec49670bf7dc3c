using VmRepl.Blocks;

namespace VmRepl.Images.Vmdk;

/// <summary>The part of a delta's parent that lies under one extent. Offsets are the extent's; behind the parent's end are zeros.</summary>
internal sealed class GrainsBehind(IBlockDevice parent, long start)
{
    /// <summary>Fills <paramref name="buffer"/> from <paramref name="offset"/> of the extent.</summary>
    public void Read(long offset, Span<byte> buffer)
    {
        var inParent = (int)Math.Clamp(parent.Length - (start + offset), 0, buffer.Length);
        if (inParent > 0) parent.Read(start + offset, buffer[..inParent]);
        buffer[inParent..].Clear();
    }

    /// <summary>Whether the parent's map says that it has nothing but zeros there.</summary>
    public bool IsZero(Extent range)
    {
        var inParent = Math.Clamp(parent.Length - (start + range.Offset), 0, range.Length);
        return inParent == 0 || !parent.Map(start + range.Offset, inParent).Any(r => r.HasData);
    }
}
