using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vhd;

/// <summary>
/// Writing into the blocks of a differencing disk ("Write Operation for a Differencing Hard Disk"). A bit is set after its sector was written, and reaches the file after the sector is durable,
/// so a crash shows each sector as before the last flush or as written since.
/// </summary>
internal sealed class DifferencingSectors(VhdStructure structure, SectorBitmaps bitmaps, BlockVhd image)
{
    private const int SectorBytes = VhdLayout.SectorBytes;

    /// <summary>Writes into a block at <paramref name="place"/>.</summary>
    public void Write(long block, long place, long inBlock, ReadOnlySpan<byte> data)
    {
        while (data.Length > 0)
        {
            var inSector = (int)(inBlock % SectorBytes);
            if (inSector != 0 || data.Length < SectorBytes)
            {
                // A bit speaks for a whole sector: what is not written of it comes along from where it was.
                var count = Math.Min(data.Length, SectorBytes - inSector);
                var sector = new byte[SectorBytes];
                image.Read((block * structure.BlockSize) + inBlock - inSector, sector);
                data[..count].CopyTo(sector.AsSpan(inSector));
                WriteSectors(block, place, inBlock - inSector, sector);
                data = data[count..];
                inBlock += count;
                continue;
            }

            var whole = data.Length / SectorBytes * SectorBytes;
            WriteSectors(block, place, inBlock, data[..whole]);
            data = data[whole..];
            inBlock += whole;
        }
    }

    /// <summary>Zeros a part of a block at <paramref name="place"/>. The block stays: without it the parent would come back.</summary>
    public void Zero(long block, long place, long inBlock, long count)
    {
        var (from, to) = (Sectors.AlignUp(inBlock, SectorBytes), Sectors.AlignDown(inBlock + count, SectorBytes));
        if (from >= to)
        {
            Write(block, place, inBlock, new byte[(int)count]);
            return;
        }

        if (from > inBlock) Write(block, place, inBlock, new byte[(int)(from - inBlock)]);
        structure.File.File.Clear(place + structure.BitmapBytes + from, to - from);
        bitmaps.Set(block, place, Extent.FromEnds(from, to));
        if (inBlock + count > to) Write(block, place, to, new byte[(int)(inBlock + count - to)]);
    }

    /// <summary>Whether the parent is known to have nothing but zeros there.</summary>
    public bool IsZeroBehind(long block, long inBlock, long count) => image.Parent.IsZeroBehind(new Extent((block * structure.BlockSize) + inBlock, count));

    private void WriteSectors(long block, long place, long inBlock, ReadOnlySpan<byte> data)
    {
        structure.File.File.Write(place + structure.BitmapBytes + inBlock, data);
        bitmaps.Set(block, place, new Extent(inBlock, data.Length));
    }
}
