using VmRepl.Blocks;

namespace VmRepl.Images.Vhd;

/// <summary>The allocation map of a dynamic or differencing VHD, block by block ("Block Allocation Table and Data Blocks"), down its chain.</summary>
internal static class VhdMap
{
    public static IEnumerable<MapExtent> Blocks(VhdStructure structure, BlockTable table, SectorBitmaps? bitmaps, VhdImage? parent, long offset, long length)
    {
        var cursor = new StoredRunCursor(structure.File.File);
        for (long at = offset, end = offset + length; at < end;)
        {
            var inBlock = at % structure.BlockSize;
            var count = Math.Min(end - at, structure.BlockSize - inBlock);
            var block = at / structure.BlockSize;
            if (table.Place(block) is not { } place)
            {
                count = Math.Min(end - at, ((block + Math.Max(1, table.AbsentFrom(block))) * structure.BlockSize) - at);
                foreach (var run in parent.MapBehind(at, count)) yield return run;
            }
            else
            {
                var (start, data) = (at - inBlock, place + structure.BitmapBytes);
                if (bitmaps is null && cursor.First(new MapExtent(at, count, BlockState.Data, 0, data + inBlock)) is var one && one.Length == count)
                {
                    yield return one;
                    at += count;
                    continue;
                }

                List<(Extent Run, bool IsHere)> runs = bitmaps is null ? [(new Extent(inBlock, count), true)] : bitmaps.Runs(block, place, new Extent(inBlock, count));
                foreach (var (run, isHere) in runs)
                {
                    var stored = new MapExtent(start + run.Offset, run.Length, BlockState.Data, 0, data + run.Offset);
                    var parts = isHere ? cursor.Map(stored) : parent.MapBehind(start + run.Offset, run.Length);
                    foreach (var part in parts) yield return part;
                }
            }

            at += count;
        }
    }
}
