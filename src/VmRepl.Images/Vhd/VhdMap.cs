using VmRepl.Blocks;

namespace VmRepl.Images.Vhd;

/// <summary>The allocation map of a dynamic or differencing VHD, block by block ("Block Allocation Table and Data Blocks"), down its chain.</summary>
internal static class VhdMap
{
    public static IEnumerable<MapExtent> Blocks(VhdStructure structure, BlockTable table, SectorBitmaps? bitmaps, VhdImage? parent, long offset, long length)
    {
        for (long at = offset, end = offset + length; at < end;)
        {
            var inBlock = at % structure.BlockSize;
            var count = Math.Min(end - at, structure.BlockSize - inBlock);
            var block = at / structure.BlockSize;
            if (table.Place(block) is not { } place)
            {
                foreach (var run in Behind(parent, at, count)) yield return run;
            }
            else
            {
                var (start, data) = (at - inBlock, place + structure.BitmapBytes);
                List<(Extent Run, bool IsHere)> runs = bitmaps is null ? [(new Extent(inBlock, count), true)] : bitmaps.Runs(block, place, new Extent(inBlock, count));
                foreach (var (run, isHere) in runs)
                {
                    var parts = isHere
                        ? structure.File.File.MapStored(new MapExtent(start + run.Offset, run.Length, BlockState.Data, 0, data + run.Offset))
                        : Behind(parent, start + run.Offset, run.Length);
                    foreach (var part in parts) yield return part;
                }
            }

            at += count;
        }
    }

    private static IEnumerable<MapExtent> Behind(VhdImage? parent, long at, long count)
    {
        var inParent = parent is null ? 0 : Math.Clamp(parent.Length - at, 0, count);
        if (inParent > 0)
            foreach (var run in parent!.Map(at, inParent)) yield return run with { Depth = run.Depth + 1 };
        if (inParent < count) yield return new MapExtent(at + inParent, count - inParent, BlockState.Unallocated);
    }
}
