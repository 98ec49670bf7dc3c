using VmRepl.Blocks;

namespace VmRepl.Images.Vhdx;

/// <summary>
/// Writing into blocks that a parent shines through ([MS-VHDX] 2.5.1.1, 2.5.1.2). Such a block becomes partially present: it has a place, and the chunk's sector bitmap says which
/// logical sectors are this file's. A bit is set after its sector was written, and reaches the file through the log after the sector is durable, so a crash shows each sector
/// as before the last flush or after it. A block that was said to be zeros becomes fully present instead: behind it the parent must not come back.
/// <para>Bits of a block that is not present may be left over from a crash or from another writer; all of them are cleared when it gets a place, and the log has that before it has the place.</para>
/// </summary>
internal sealed class DifferencingBlocks(VhdxFile file, VhdxStructure structure, BlockTable table, SectorBitmapChanges bitmaps, DifferencingBlocks.Surroundings around)
{
    private const int BitmapBlockBytes = VhdxLayout.MiB;

    private readonly int sectorSize = structure.Geometry.SectorSize;

    /// <summary>What these blocks need of the image that they are in.</summary>
    /// <param name="ReadNow">Reads the disk as it is now.</param>
    /// <param name="IsZeroBehind">Whether the parent is known to have nothing but zeros in the range.</param>
    /// <param name="Allocate">Gives so many bytes of the file, all zeros.</param>
    /// <param name="Clear">Makes a range of the file zeros.</param>
    public sealed record Surroundings(Reading ReadNow, Func<Extent, bool> IsZeroBehind, Func<int, long> Allocate, Action<long, long> Clear);

    public delegate void Reading(long offset, Span<byte> buffer);

    /// <summary>The place of a block that has none and that the parent shines through. The caller keeps other allocations out.</summary>
    public long Place(long block)
    {
        var geometry = structure.Geometry;
        var bitmap = BitmapPlace(block);
        var sectorsPerBlock = geometry.BlockSize / sectorSize;
        bitmaps.Set(bitmap, FirstSector(block), sectorsPerBlock, false);
        var place = around.Allocate(geometry.BlockSize);
        table[geometry.PayloadIndex(block)] = new BatEntry(PayloadState.PartiallyPresent, place);
        return place;
    }

    /// <summary>Writes into a partially present block at <paramref name="place"/>.</summary>
    public void Write(long block, long place, long inBlock, ReadOnlySpan<byte> data)
    {
        while (data.Length > 0)
        {
            var inSector = (int)(inBlock % sectorSize);
            if (inSector != 0 || data.Length < sectorSize)
            {
                // A bit speaks for a whole sector: what is not written of it comes along from where it was.
                var count = Math.Min(data.Length, sectorSize - inSector);
                var sector = new byte[sectorSize];
                around.ReadNow((block * structure.Geometry.BlockSize) + inBlock - inSector, sector);
                data[..count].CopyTo(sector.AsSpan(inSector));
                file.File.Write(place + inBlock - inSector, sector);
                Mark(block, inBlock - inSector, sectorSize);
                data = data[count..];
                inBlock += count;
                continue;
            }

            var whole = data.Length / sectorSize * sectorSize;
            file.File.Write(place + inBlock, data[..whole]);
            Mark(block, inBlock, whole);
            data = data[whole..];
            inBlock += whole;
        }
    }

    /// <summary>Zeros a part of a block that is partially present, or, with no <paramref name="place"/> yet, not at all.</summary>
    public void Zero(long block, long? place, long inBlock, long count)
    {
        if (place is null && around.IsZeroBehind(new Extent((block * structure.Geometry.BlockSize) + inBlock, count))) return;
        var at = place ?? Place(block);
        var (from, to) = (Sectors.AlignUp(inBlock, sectorSize), Sectors.AlignDown(inBlock + count, sectorSize));
        if (from >= to)
        {
            Write(block, at, inBlock, new byte[(int)count]);
            return;
        }

        if (from > inBlock) Write(block, at, inBlock, new byte[(int)(from - inBlock)]);
        around.Clear(at + from, to - from);
        Mark(block, from, to - from);
        if (inBlock + count > to) Write(block, at, to, new byte[(int)(inBlock + count - to)]);
    }

    private void Mark(long block, long inBlock, long count)
    {
        var place = (long)table[structure.Geometry.BitmapIndex(block)].FileOffset;
        bitmaps.Set(place, FirstSector(block) + (inBlock / sectorSize), count / sectorSize, true);
    }

    /// <summary>Number in its chunk of the block's first sector.</summary>
    private long FirstSector(long block) => block % structure.Geometry.ChunkRatio * (structure.Geometry.BlockSize / sectorSize);

    private long BitmapPlace(long block)
    {
        var index = structure.Geometry.BitmapIndex(block);
        var entry = table[index];
        if (entry.State == PayloadState.FullyPresent) return structure.Locate(file, entry, index, BitmapBlockBytes);
        var place = around.Allocate(BitmapBlockBytes);
        table[index] = new BatEntry(PayloadState.FullyPresent, place);
        return place;
    }
}
