using VmRepl.Blocks;

namespace VmRepl.Images.Vhd;

/// <summary>
/// Places for new blocks: gaps that the table left, places given back, and the end of the file. New ones lie so that the data begins on a multiple of 4096,
/// the host's own unit: there it can be freed again. Not safe for concurrent use.
/// </summary>
internal sealed class VhdSpace
{
    private const int HostBlockBytes = 4096;

    /// <summary>Gaps that are used at most; a file that has more loses the room of the others.</summary>
    private const int GapsMax = 1 << 16;

    private readonly int bitmapBytes;
    private readonly long slotBytes;
    private readonly Stack<(Extent Range, bool IsFresh)> free = new();

    /// <param name="structure">The disk.</param>
    /// <param name="table">Its table, sound.</param>
    public VhdSpace(VhdStructure structure, BlockTable table)
    {
        bitmapBytes = structure.BitmapBytes;
        slotBytes = structure.BitmapBytes + structure.BlockSize;
        foreach (var gap in table.Gaps().Where(g => g.Length >= slotBytes).Take(GapsMax)) free.Push((gap, false));
    }

    /// <summary>A place for a block, and whether it never held anything and so is zeros; null where the file has to grow.</summary>
    public (long Place, bool IsFresh)? Take()
    {
        while (free.TryPop(out var gap))
        {
            var place = Align(gap.Range.Offset);
            if (place + slotBytes > gap.Range.End) place = gap.Range.Offset;
            if (place + slotBytes > gap.Range.End) continue;
            if (gap.Range.End - place - slotBytes >= slotBytes) free.Push((Extent.FromEnds(place + slotBytes, gap.Range.End), gap.IsFresh));
            return (place, gap.IsFresh);
        }

        return null;
    }

    /// <summary>Gives the place of a block back. That of a last block which the disk has only a part of is too small to be used again before the file is opened anew.</summary>
    public void Free(Extent place) => free.Push((place, false));

    /// <summary>Where the file has to end to have <paramref name="blocks"/> more blocks behind <paramref name="end"/>.</summary>
    public long EndAfter(long end, int blocks)
    {
        for (var i = 0; i < blocks; i++) end = Align(end) + slotBytes;
        return end;
    }

    /// <summary>The file has grown from <paramref name="from"/> to <paramref name="to"/>, by zeros.</summary>
    public void Grow(long from, long to) => free.Push((Extent.FromEnds(Sectors.AlignUp(from, VhdLayout.SectorBytes), to), true));

    private long Align(long at) => Sectors.AlignUp(at + bitmapBytes, HostBlockBytes) - bitmapBytes;
}
