using VmRepl.Blocks;

namespace VmRepl.Images.Vhdx;

/// <summary>Which parts of a file are taken, in units of 1 MiB, one bit each: regions, log and blocks do not overlap ([MS-VHDX] 2.2.3.2). Not safe for concurrent use.</summary>
internal sealed class VhdxSpace
{
    /// <summary>Longest file that is kept account of: twice the largest disk, in 16 MiB of bits.</summary>
    private const long FileLengthMax = 2 * VhdxLayout.LengthMax;

    private ulong[] taken;
    private long units;
    private long freeUnits;
    private bool isWorthSearching;

    private VhdxSpace(long fileLength)
    {
        units = (fileLength + VhdxLayout.MiB - 1) / VhdxLayout.MiB;
        freeUnits = units;
        taken = new ulong[(units / 64) + 1];
    }

    /// <summary>Units inside the file that nothing names.</summary>
    public long FreeUnits => freeUnits;

    /// <summary>The account of <paramref name="file"/> from its table; what is doubly or wrongly placed goes to <paramref name="damaged"/>, in one sentence each.</summary>
    /// <exception cref="ImageFormatException">The file is longer than any VHDX needs.</exception>
    public static VhdxSpace Read(VhdxFile file, VhdxStructure structure, BlockTable table, Action<ImageFormatException> damaged)
    {
        if (file.Length > FileLengthMax) throw file.Mismatch(-1, "file length", $"at most {FileLengthMax}, which is more than any VHDX needs", $"{file.Length}");
        var space = new VhdxSpace(file.Length);
        space.Take(new Extent(0, VhdxLayout.MiB));
        space.Take(new Extent((long)structure.Headers.Current.LogOffset, structure.Headers.Current.LogLength));
        space.Take(structure.Regions.Bat);
        space.Take(structure.Regions.Metadata);
        foreach (var other in structure.Regions.Others) space.Take(other);
        var geometry = structure.Geometry;
        for (long index = 0; index < geometry.Entries; index++)
        {
            index += table.AbsentFrom(index);
            if (index >= geometry.Entries) break;
            var entry = table[index];
            var isBitmap = geometry.IsBitmap(index);
            var at = structure.Regions.Bat.Offset + (index * VhdxLayout.BatEntryBytes);
            if ((int)entry.State == 4 || (isBitmap && entry.State is not (PayloadState.NotPresent or PayloadState.FullyPresent)))
            {
                damaged(structure.BadState(file, entry, index));
                continue;
            }

            if (!entry.IsStored) continue;
            try
            {
                if (entry.State == PayloadState.PartiallyPresent)
                {
                    structure.RequireParent(file, index);
                    var bitmap = table[geometry.BitmapIndex(geometry.Block(index))].State;
                    if (bitmap != PayloadState.FullyPresent) damaged(file.Mismatch(at, "BAT entry", "of a sector bitmap that is there, since it is partially present", $"of one that is {bitmap} in entry {index}"));
                }

                var offset = isBitmap ? structure.Locate(file, entry, index, VhdxLayout.MiB) : structure.LocatePayload(file, entry, geometry.Block(index));
                if (!space.Take(new Extent(offset, isBitmap ? VhdxLayout.MiB : geometry.BlockSize)))
                    damaged(file.Mismatch(at, "BAT entry", "a place of the block's own", $"{offset}, where another one lies, in entry {index}"));
            }
            catch (ImageFormatException e)
            {
                damaged(e);
            }
        }

        space.isWorthSearching = true;
        return space;
    }

    /// <summary>Takes a range; false if any of it was taken. What lies behind the file's end is not kept account of.</summary>
    public bool Take(Extent range)
    {
        var isFree = true;
        for (var unit = range.Offset / VhdxLayout.MiB; unit < Math.Min(units, (range.End + VhdxLayout.MiB - 1) / VhdxLayout.MiB); unit++)
        {
            if (IsTaken(unit))
            {
                isFree = false;
                continue;
            }

            taken[unit / 64] |= 1UL << (int)(unit % 64);
            freeUnits--;
        }

        return isFree;
    }

    /// <summary>Gives a range back.</summary>
    public void Free(Extent range)
    {
        for (var unit = range.Offset / VhdxLayout.MiB; unit < Math.Min(units, range.End / VhdxLayout.MiB); unit++)
        {
            if (!IsTaken(unit)) continue;
            taken[unit / 64] &= ~(1UL << (int)(unit % 64));
            freeUnits++;
        }

        isWorthSearching = true;
    }

    /// <summary>A place for <paramref name="length"/> bytes (a multiple of 1 MiB), now taken; at the end of the file, which then has to grow, where no gap is wide enough.</summary>
    /// <returns>The offset, and whether it is space used before, whose old contents must be cleared.</returns>
    public (long Offset, bool IsReused) Allocate(int length)
    {
        var wanted = length / VhdxLayout.MiB;
        var start = isWorthSearching && freeUnits >= wanted ? Find(wanted) : -1;
        var isReused = start >= 0;
        if (!isReused)
        {
            // Nothing wide enough: not looked for again before something is freed.
            isWorthSearching = false;
            start = units;
            units += wanted;
            freeUnits += wanted;
            if ((units / 64) + 1 > taken.Length) Array.Resize(ref taken, taken.Length * 2);
        }

        var place = new Extent(start * VhdxLayout.MiB, length);
        Take(place);
        return (place.Offset, isReused);
    }

    private long Find(int wanted)
    {
        long run = 0;
        for (long unit = 0; unit < units; unit++)
        {
            if (run == 0 && unit % 64 == 0 && taken[unit / 64] == ulong.MaxValue)
            {
                unit += 63;
                continue;
            }

            run = IsTaken(unit) ? 0 : run + 1;
            if (run == wanted) return unit - wanted + 1;
        }

        return -1;
    }

    private bool IsTaken(long unit) => (taken[unit / 64] >> (int)(unit % 64) & 1) != 0;
}
