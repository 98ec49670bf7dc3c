using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>
/// What writing adds to a sparse extent.
/// <para>
/// The header's unclean flag is durable before the first change and taken back by <see cref="Close"/>. A new grain is at the file's end, or where a punched one was;
/// the tables in the file name it after <see cref="Flush"/>: grains are flushed, then both tables written, then flushed. An entry is four bytes and goes from one sound value to another,
/// so a crash shows each grain as before the last flush or after it, and at worst leaks grains. The place of a punched grain is used again only after the flush that says it is free.
/// </para>
/// <para>
/// Over a parent, a grain that is not here holds the parent's contents, so a new one is written whole, what surrounds the write copied up, before the table in memory names it.
/// Zeros there need a zeroed-grain entry (Virtual Disk Format 5.0, "Grain Table Entry"; flag 4 of the header, version 2); where the header does not allow it, they are a grain of zeros.
/// </para>
/// <para>After a failed flush everything fails: what is on disk is then not known.</para>
/// </summary>
internal sealed class SparseWriting
{
    /// <summary>Tables (32 MiB of disk each) that may wait in memory for a flush.</summary>
    private const int ChangedTablesMax = 4096;

    /// <summary>Grains that are written in one call when they are new over a parent.</summary>
    private const int GrainsAtOnce = 64;

    /// <summary>The grain table entry of a grain of zeros.</summary>
    private const uint ZeroedGrain = 1;

    private readonly IHostFile file;
    private readonly SparseHeader header;
    private readonly GrainTables tables;
    private readonly GrainsBehind? behind;
    private readonly Lock allocation = new();
    private readonly FlushGate flushes;
    private readonly Stack<uint> free = new();
    private readonly int grainBytes;
    private List<uint> freed = [];
    private long end;
    private volatile bool hasBegun;

    /// <param name="behind">The parent's part under this extent; null where nothing is behind it.</param>
    /// <exception cref="ImageFormatException">The tables are damaged, so that a write could hit a second grain.</exception>
    public SparseWriting(IHostFile file, SparseHeader header, GrainTables tables, bool isNew, GrainsBehind? behind = null)
    {
        this.file = file;
        flushes = new FlushGate(file.Path);
        this.header = header;
        this.tables = tables;
        this.behind = behind;
        grainBytes = header.GrainBytes;
        // A new one has nothing to look at, and up to gigabytes of empty tables to look through.
        if (!isNew && SparseCheck.Run(file, header, tables).FirstOrDefault(f => f.IsDamage) is { } damage)
            throw ImageFormatException.Mismatch(file.Path, -1, "grain tables", "sound to be written", $"damaged: {damage.Message}");
        end = Sectors.AlignUp(Math.Max(file.Length, header.OverheadSectors * VmdkLayout.SectorBytes), grainBytes);
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        Begin();
        while (data.Length > 0)
        {
            if (behind is not null && tables[offset / grainBytes] == 0)
            {
                var taken = WriteOverParent(offset, data);
                data = data[taken..];
                offset += taken;
                continue;
            }

            // Grains that lie one behind the other in the file are written in one call.
            var place = PlaceOf(offset / grainBytes) + (offset % grainBytes);
            long count = Math.Min(data.Length, grainBytes - (offset % grainBytes));
            while (count < data.Length && IsOwn((offset + count) / grainBytes) && PlaceOf((offset + count) / grainBytes) == place + count) count += Math.Min(data.Length - count, grainBytes);
            file.Write(place, data[..(int)count]);
            data = data[(int)count..];
            offset += count;
        }

        if (tables.ChangedTables > ChangedTablesMax) Flush();

        bool IsOwn(long grain) => behind is null || tables[grain] != 0;
    }

    public void Punch(long offset, long length, long extentLength)
    {
        Begin();
        for (var stop = offset + length; offset < stop;)
        {
            var inGrain = offset % grainBytes;
            var count = Math.Min(stop - offset, grainBytes - inGrain);
            var isWhole = inGrain == 0 && (count == grainBytes || offset + count == extentLength);
            PunchInGrain(offset / grainBytes, inGrain, count, isWhole);
            offset += count;
        }
    }

    public void Flush() => flushes.Run(FlushLocked);

    /// <summary>Flushes and takes the unclean flag back. After a failure nothing is touched any more, and the flag stays.</summary>
    public void Close()
    {
        if (!hasBegun || flushes.HasFailed) return;
        Flush();
        file.Write(SparseHeader.UncleanOffset, [0]);
        file.Flush();
    }

    private void FlushLocked()
    {
        List<(long FileOffset, byte[] Table)> changed;
        List<uint> nowFree;
        lock (allocation)
        {
            changed = tables.TakeChanged();
            (nowFree, freed) = (freed, []);
        }

        file.Flush();
        if (changed.Count == 0) return;
        foreach (var (offset, table) in changed) file.Write(offset, table);
        file.Flush();
        tables.Committed();
        foreach (var sector in nowFree)
        {
            file.TryPunch((long)sector * VmdkLayout.SectorBytes, grainBytes);
            lock (allocation) free.Push(sector);
        }
    }

    /// <summary>Where the grain lies; one without a place gets one, all zeros.</summary>
    private long PlaceOf(long grain)
    {
        var entry = tables[grain];
        if (IsStored(entry)) return (long)entry * VmdkLayout.SectorBytes;
        lock (allocation)
        {
            entry = tables[grain];
            if (IsStored(entry)) return (long)entry * VmdkLayout.SectorBytes;
            var place = Allocate();
            // Cleared before the table names it: nobody may see what lay there before.
            if (place.IsReused) file.Clear(place.Offset, grainBytes);
            tables[grain] = (uint)(place.Offset / VmdkLayout.SectorBytes);
            return place.Offset;
        }
    }

    /// <summary>A place for a grain: where a punched one was, with its old contents, or at the end of the file, where all is zeros. Under the lock of allocation.</summary>
    private (long Offset, bool IsReused) Allocate()
    {
        if (free.TryPop(out var sector)) return ((long)sector * VmdkLayout.SectorBytes, true);
        var place = end;
        if ((place + grainBytes) / VmdkLayout.SectorBytes > uint.MaxValue) throw new ImageFullException($"{file.Path}: a VMDK extent cannot grow past 2 TiB");
        file.SetLength(place + grainBytes);
        end = place + grainBytes;
        return (place, false);
    }

    /// <summary>Writes the first of <paramref name="data"/> into grains that are not here yet.</summary>
    /// <returns>Bytes taken; none where another writer has just made the grain.</returns>
    private int WriteOverParent(long offset, ReadOnlySpan<byte> data)
    {
        var first = offset / grainBytes;
        var inGrain = (int)(offset % grainBytes);
        lock (allocation)
        {
            if (tables[first] != 0) return 0;
            var grains = 1;
            // Whole grains side by side in the disk get places side by side in the file, where there are such.
            while (grains < GrainsAtOnce && inGrain + data.Length >= (grains + 1) * (long)grainBytes && free.Count == 0 && tables[first + grains] == 0) grains++;
            var place = Allocate().Offset;
            for (var i = 1; i < grains; i++) _ = Allocate();
            var length = grains * grainBytes;
            var taken = Math.Min(length - inGrain, data.Length);
            if (taken == length)
            {
                file.Write(place, data[..length]);
            }
            else
            {
                using var whole = PooledBuffer.Rent(length);
                behind!.Read(first * grainBytes, whole.Span);
                data[..taken].CopyTo(whole.Span[inGrain..]);
                file.Write(place, whole.Span);
            }

            for (var i = 0; i < grains; i++) tables[first + i] = (uint)((place + ((long)i * grainBytes)) / VmdkLayout.SectorBytes);
            return taken;
        }
    }

    private void PunchInGrain(long grain, long inGrain, long count, bool isWhole)
    {
        lock (allocation)
        {
            var entry = tables[grain];
            if (behind is not null && entry == 0 && behind.IsZero(new Extent((grain * grainBytes) + inGrain, count))) return;
            if (!isWhole)
            {
                if (IsStored(entry)) file.Clear(((long)entry * VmdkLayout.SectorBytes) + inGrain, count);
                else if (behind is not null && entry == 0) _ = WriteOverParent((grain * grainBytes) + inGrain, new byte[(int)count]);
                return;
            }

            if (!IsStored(entry) && (behind is null || entry != 0)) return;
            if (behind is null)
            {
                // Nothing is behind this disk, so "unallocated" is zeros for every reader; some pass over the zeroed-grain entry.
                tables[grain] = 0;
            }
            else if (header.Flags.HasFlag(SparseFlags.ZeroedGrains))
            {
                tables[grain] = ZeroedGrain;
            }
            else
            {
                // The header is of version 1: only a grain of zeros hides the parent.
                if (IsStored(entry)) file.Clear((long)entry * VmdkLayout.SectorBytes, grainBytes);
                else tables[grain] = ZeroGrain();
                return;
            }

            if (IsStored(entry)) freed.Add(entry);
        }
    }

    private uint ZeroGrain()
    {
        var place = Allocate();
        if (place.IsReused) file.Clear(place.Offset, grainBytes);
        return (uint)(place.Offset / VmdkLayout.SectorBytes);
    }

    private bool IsStored(uint entry) => entry > 1 || (entry == 1 && !header.Flags.HasFlag(SparseFlags.ZeroedGrains));

    private void Begin()
    {
        flushes.RequireSound();
        if (hasBegun) return;
        lock (flushes.Alone)
        {
            if (hasBegun) return;
            file.Write(SparseHeader.UncleanOffset, [1]);
            file.Flush();
            hasBegun = true;
        }
    }

}
