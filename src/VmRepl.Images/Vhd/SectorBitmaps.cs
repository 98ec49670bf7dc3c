using VmRepl.Blocks;

namespace VmRepl.Images.Vhd;

/// <summary>
/// The sector bitmaps of a differencing disk ("Block Allocation Table and Data Blocks"): the most significant bit of the first byte is a block's first sector; 1 is this file, 0 the parent.
/// Bitmaps that were changed and have not reached the file lie over it for every reader here until they are in it. Safe for concurrent use.
/// </summary>
internal sealed class SectorBitmaps(VhdStructure structure)
{
    private readonly Lock gate = new();
    private readonly SortedDictionary<long, (long Place, byte[] Bits)> changed = [];
    private readonly Dictionary<long, byte[]> committing = [];
    private readonly KnownHole holes = new(structure.File.File);

    /// <summary>Bytes of bitmaps that wait for the file.</summary>
    public long ChangedBytes
    {
        get
        {
            lock (gate) return (long)changed.Count * structure.BitmapBytes;
        }
    }

    /// <summary>Whether the bitmap at <paramref name="place"/> is a hole of a file that is only read: the parent has all of the block then.</summary>
    public bool IsHole(long place) => holes.Contains(place, structure.BitmapBytes);

    /// <summary>The runs of a part of a block at <paramref name="place"/>, and whether this file holds each.</summary>
    /// <param name="range">Bytes, counted from the block's start.</param>
    public List<(Extent Run, bool IsHere)> Runs(long block, long place, Extent range)
    {
        var first = range.Offset / VhdLayout.SectorBytes;
        var last = (range.End - 1) / VhdLayout.SectorBytes;
        var bits = new byte[(int)((last / 8) - (first / 8) + 1)];
        Read(block, place, (int)(first / 8), bits);
        var runs = new List<(Extent, bool)>();
        var start = range.Offset;
        var isHere = IsSet(first);
        for (var sector = first + 1; sector <= last; sector++)
        {
            if (sector % 8 == 0 && sector + 8 <= last && bits[(int)((sector / 8) - (first / 8))] == (isHere ? byte.MaxValue : 0))
            {
                sector += 7;
                continue;
            }

            if (IsSet(sector) == isHere) continue;
            runs.Add((Extent.FromEnds(start, sector * VhdLayout.SectorBytes), isHere));
            (start, isHere) = (sector * VhdLayout.SectorBytes, !isHere);
        }

        runs.Add((Extent.FromEnds(start, range.End), isHere));
        return runs;

        bool IsSet(long sector) => (bits[(int)((sector / 8) - (first / 8))] & (0x80 >> (int)(sector % 8))) != 0;
    }

    /// <summary>The block was given a place and holds no sector yet.</summary>
    public void Begin(long block, long place)
    {
        lock (gate) changed[block] = (place, new byte[structure.BitmapBytes]);
    }

    /// <summary>This file now holds the sectors of <paramref name="range"/>, whole sectors counted from the block's start.</summary>
    public void Set(long block, long place, Extent range)
    {
        lock (gate)
        {
            if (!changed.TryGetValue(block, out var entry))
            {
                var bits = new byte[structure.BitmapBytes];
                if (committing.TryGetValue(block, out var known)) known.CopyTo(bits, 0);
                else structure.File.Read(place, bits, "sector bitmap");
                entry = (place, bits);
            }

            var isChanged = false;
            for (var sector = range.Offset / VhdLayout.SectorBytes; sector < range.End / VhdLayout.SectorBytes; sector++)
            {
                var mask = (byte)(0x80 >> (int)(sector % 8));
                isChanged |= (entry.Bits[sector / 8] & mask) == 0;
                entry.Bits[sector / 8] |= mask;
            }

            if (isChanged) changed[block] = entry;
        }
    }

    /// <summary>Copies of the changed bitmaps, with their places in the file. They stay over the file until <see cref="Committed"/>.</summary>
    public List<(long Place, byte[] Bits)> TakeChanged()
    {
        lock (gate)
        {
            var taken = new List<(long, byte[])>(changed.Count);
            foreach (var (block, (place, bits)) in changed)
            {
                taken.Add((place, bits));
                committing[block] = bits;
            }

            changed.Clear();
            return taken;
        }
    }

    /// <summary>What <see cref="TakeChanged"/> handed out is in the file.</summary>
    public void Committed()
    {
        lock (gate) committing.Clear();
    }

    private void Read(long block, long place, int from, Span<byte> bits)
    {
        // Under the lock, so that a bitmap cannot reach the file and be forgotten between the two steps.
        lock (gate)
        {
            if (changed.TryGetValue(block, out var entry)) entry.Bits.AsSpan(from, bits.Length).CopyTo(bits);
            else if (committing.TryGetValue(block, out var known)) known.AsSpan(from, bits.Length).CopyTo(bits);
            else structure.File.Read(place + from, bits, "sector bitmap");
        }
    }
}
