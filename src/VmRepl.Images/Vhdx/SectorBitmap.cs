using VmRepl.Blocks;

namespace VmRepl.Images.Vhdx;

/// <summary>The sector bitmap of a partially present block ([MS-VHDX] 2.5.1.2): bit n, least significant first, is logical sector n of the chunk; 1 is this file, 0 the parent.</summary>
internal static class SectorBitmap
{
    private const int BitmapBlockBytes = 1 << 20;

    /// <summary>The runs of [<paramref name="offset"/>, offset+<paramref name="length"/>) of the disk, which lies in one block, and whether this file holds each.</summary>
    /// <param name="changes">What a writer has changed and the file does not hold yet.</param>
    /// <exception cref="ImageFormatException">There is no bitmap block, or it is out of place.</exception>
    public static List<(Extent Run, bool IsHere)> Runs(VhdxFile file, VhdxStructure structure, BlockTable table, long offset, long length, SectorBitmapChanges? changes = null)
    {
        var geometry = structure.Geometry;
        var index = geometry.BitmapIndex(offset / geometry.BlockSize);
        var entry = table[index];
        if (entry.State != PayloadState.FullyPresent)
            throw file.Mismatch(structure.Regions.Bat.Offset + (index * VhdxLayout.BatEntryBytes), "BAT entry", "of a present sector bitmap, since a block is partially present", $"{entry.State} in entry {index}");
        var place = structure.Locate(file, entry, index, BitmapBlockBytes);
        var chunkBytes = geometry.ChunkRatio * geometry.BlockSize;
        var firstSector = offset % chunkBytes / geometry.SectorSize;
        var lastSector = (offset + length - 1) % chunkBytes / geometry.SectorSize;
        var bits = new byte[(int)((lastSector / 8) - (firstSector / 8) + 1)];
        if (changes is null) file.Read(place + (firstSector / 8), bits, "sector bitmap");
        else changes.Read(place + (firstSector / 8), bits);
        var runs = new List<(Extent, bool)>();
        long start = offset;
        var isHere = IsSet(firstSector);
        for (var sector = firstSector + 1; sector <= lastSector; sector++)
        {
            if (IsSet(sector) == isHere) continue;
            var end = Sectors.AlignDown(offset, geometry.SectorSize) + ((sector - firstSector) * geometry.SectorSize);
            runs.Add((Extent.FromEnds(start, end), isHere));
            (start, isHere) = (end, !isHere);
        }

        runs.Add((Extent.FromEnds(start, offset + length), isHere));
        return runs;

        bool IsSet(long sector) => (bits[(int)((sector / 8) - (firstSector / 8))] >> (int)(sector % 8) & 1) != 0;
    }
}
