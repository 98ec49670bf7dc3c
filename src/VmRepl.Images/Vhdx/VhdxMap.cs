using VmRepl.Blocks;

namespace VmRepl.Images.Vhdx;

/// <summary>The allocation map of a VHDX, block by block, down its chain; what a block's state means for it is [MS-VHDX] 2.5.1.1.</summary>
internal static class VhdxMap
{
    public static IEnumerable<MapExtent> Blocks(VhdxFile file, VhdxStructure structure, BlockTable table, VhdxImage? parent, long offset, long length, SectorBitmapChanges? changes = null)
    {
        var geometry = structure.Geometry;
        var cursor = new StoredRunCursor(file.File);
        var end = offset + length;
        // Blocks that lie one behind the other in the file are asked for their holes as one.
        MapExtent? stored = null;
        var storedBytes = 0L;
        for (var at = offset; at < end;)
        {
            var inBlock = at % geometry.BlockSize;
            var count = Math.Min(end - at, geometry.BlockSize - inBlock);
            var block = at / geometry.BlockSize;
            var index = geometry.PayloadIndex(block);
            var entry = table[index];
            if (entry.State == PayloadState.FullyPresent)
            {
                var place = structure.LocatePayload(file, entry, block) + inBlock;
                // Blocks do not lie over each other (2.2.3.2, 2.5.1); a hostile table can name one place for a disk of 64 TiB.
                if ((storedBytes += count) > file.Length)
                    throw file.Mismatch(structure.Regions.Bat.Offset + (index * VhdxLayout.BatEntryBytes), "BAT entry", $"a place of the block's own in the file of {file.Length} bytes", $"{place - inBlock} in entry {index}, when {storedBytes} bytes are named");
                if (stored is { } run && run.FileOffset + run.Length == place)
                {
                    stored = run with { Length = run.Length + count };
                }
                else
                {
                    if (stored is { } before)
                        foreach (var part in file.MapStored(before, cursor)) yield return part;
                    stored = new MapExtent(at, count, BlockState.Data, 0, place);
                }
            }
            else
            {
                if (stored is { } before)
                    foreach (var part in file.MapStored(before, cursor)) yield return part;
                stored = null;
                var alike = entry.State switch
                {
                    PayloadState.NotPresent => table.AbsentFrom(index),
                    PayloadState.PartiallyPresent => 1,
                    _ => table.AlikeFrom(index),
                };
                if (alike > 1) count = Math.Min(end - at, (geometry.Block(index + alike) * geometry.BlockSize) - at);
                foreach (var part in NotFull(file, structure, table, parent, at, count, entry, index, changes, cursor)) yield return part;
            }

            at += count;
        }

        if (stored is { } last)
            foreach (var part in file.MapStored(last, cursor)) yield return part;
    }

    private static IEnumerable<MapExtent> NotFull(VhdxFile file, VhdxStructure structure, BlockTable table, VhdxImage? parent, long at, long count, BatEntry entry, long index, SectorBitmapChanges? changes, StoredRunCursor cursor)
    {
        switch (entry.State)
        {
            case PayloadState.NotPresent:
                return parent.MapBehind(at, count);
            case PayloadState.Undefined or PayloadState.Zero or PayloadState.Unmapped or PayloadState.UnmappedDraft:
                return [new MapExtent(at, count, BlockState.Zero)];
            case PayloadState.PartiallyPresent:
                structure.RequireParent(file, index);
                var place = structure.LocatePayload(file, entry, at / structure.Geometry.BlockSize);
                return SectorBitmap.Runs(file, structure, table, at, count, changes)
                    .SelectMany(r => r.IsHere
                        ? file.MapStored(new MapExtent(r.Run.Offset, r.Run.Length, BlockState.Data, 0, place + (r.Run.Offset % structure.Geometry.BlockSize)), cursor)
                        : parent.MapBehind(r.Run.Offset, r.Run.Length));
            default:
                throw structure.BadState(file, entry, index);
        }
    }
}
