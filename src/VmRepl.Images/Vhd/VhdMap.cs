using VmRepl.Blocks;

namespace VmRepl.Images.Vhd;

/// <summary>The allocation map of a dynamic or differencing VHD, block by block ("Block Allocation Table and Data Blocks"), down its chain.</summary>
internal static class VhdMap
{
    public static IEnumerable<MapExtent> Blocks(VhdStructure structure, BlockTable table, SectorBitmaps? bitmaps, VhdImage? parent, long offset, long length) =>
        parent.MapUnder(Stored(structure, table, bitmaps, offset, offset + length), offset, offset + length);

    /// <summary>What this file itself holds from <paramref name="at"/> up to <paramref name="end"/>, in order.</summary>
    private static IEnumerable<MapExtent> Stored(VhdStructure structure, BlockTable table, SectorBitmaps? bitmaps, long at, long end)
    {
        var cursor = new StoredRunCursor(structure.File.File);
        while (at < end)
        {
            var first = at / structure.BlockSize;
            var entries = table.From(first);
            for (var block = first; block < first + entries.Length && at < end; block++)
            {
                var start = block * structure.BlockSize;
                var part = Extent.FromEnds(at - start, Math.Min(end - start, structure.BlockSize));
                at = start + part.End;
                if (table.Place(block, entries.Span[(int)(block - first)]) is not { } place || (bitmaps is not null && bitmaps.IsHole(place))) continue;
                var data = place + structure.BitmapBytes;
                if (bitmaps is null)
                {
                    var run = new MapExtent(start + part.Offset, part.Length, BlockState.Data, 0, data + part.Offset);
                    if (cursor.First(run) is var one && one.Length == run.Length) yield return one;
                    else foreach (var piece in cursor.Map(run)) yield return piece;
                    continue;
                }

                foreach (var (run, isHere) in bitmaps.Runs(block, place, part))
                {
                    if (!isHere) continue;
                    foreach (var piece in cursor.Map(new MapExtent(start + run.Offset, run.Length, BlockState.Data, 0, data + run.Offset))) yield return piece;
                }
            }
        }
    }
}
