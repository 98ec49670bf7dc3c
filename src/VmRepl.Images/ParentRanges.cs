using VmRepl.Blocks;

namespace VmRepl.Images;

/// <summary>What lies behind an overlay where it holds nothing itself: its parent's, and zeros behind the end of a parent that is shorter, or where there is none.</summary>
internal static class ParentRanges
{
    /// <summary>Fills <paramref name="buffer"/> from <paramref name="offset"/> of the disk on.</summary>
    public static void ReadBehind(this IBlockDevice? parent, long offset, Span<byte> buffer)
    {
        var inParent = (int)Inside(parent, offset, buffer.Length);
        if (inParent > 0) parent!.Read(offset, buffer[..inParent]);
        buffer[inParent..].Clear();
    }

    /// <summary>The parent's map, each run a layer deeper; what the parent does not have is unallocated.</summary>
    public static IEnumerable<MapExtent> MapBehind(this IBlockDevice? parent, long offset, long length)
    {
        var inParent = Inside(parent, offset, length);
        if (inParent > 0)
            foreach (var run in parent!.Map(offset, inParent)) yield return run with { Depth = run.Depth + 1 };
        if (inParent < length) yield return new MapExtent(offset + inParent, length - inParent, BlockState.Unallocated);
    }

    /// <summary>An overlay's map: its own runs, and between them what lies behind. That is asked of the parent in one piece, however many of the overlay's tables say so: a deep chain would cost its square.</summary>
    /// <param name="parent">Null where there is none.</param>
    /// <param name="own">What the overlay holds itself from <paramref name="offset"/> up to <paramref name="end"/>, in order.</param>
    public static IEnumerable<MapExtent> MapUnder(this IBlockDevice? parent, IEnumerable<MapExtent> own, long offset, long end)
    {
        foreach (var run in own)
        {
            if (run.Offset > offset)
                foreach (var behind in parent.MapBehind(offset, run.Offset - offset)) yield return behind;
            yield return run;
            offset = run.End;
        }

        if (end > offset)
            foreach (var behind in parent.MapBehind(offset, end - offset)) yield return behind;
    }

    /// <summary>Whether the parent's map says that there is nothing but zeros in the range.</summary>
    public static bool IsZeroBehind(this IBlockDevice? parent, Extent range)
    {
        var inParent = Inside(parent, range.Offset, range.Length);
        return inParent == 0 || !parent!.Map(range.Offset, inParent).Any(r => r.HasData);
    }

    private static long Inside(IBlockDevice? parent, long offset, long length) => parent is null ? 0 : Math.Clamp(parent.Length - offset, 0, length);
}
