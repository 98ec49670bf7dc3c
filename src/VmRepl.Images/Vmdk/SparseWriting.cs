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
/// <para>After a failed flush everything fails: what is on disk is then not known.</para>
/// </summary>
internal sealed class SparseWriting
{
    /// <summary>Tables (32 MiB of disk each) that may wait in memory for a flush.</summary>
    private const int ChangedTablesMax = 4096;

    private readonly IHostFile file;
    private readonly SparseHeader header;
    private readonly GrainTables tables;
    private readonly Lock allocation = new();
    private readonly Lock flushing = new();
    private readonly Stack<uint> free = new();
    private readonly int grainBytes;
    private List<uint> freed = [];
    private long end;
    private volatile bool hasBegun;
    private volatile bool hasFailed;

    /// <exception cref="ImageFormatException">The tables are damaged, so that a write could hit a second grain.</exception>
    public SparseWriting(IHostFile file, SparseHeader header, GrainTables tables, bool isNew)
    {
        this.file = file;
        this.header = header;
        this.tables = tables;
        grainBytes = header.GrainBytes;
        // A new one has nothing to look at, and up to gigabytes of empty tables to look through.
        if (!isNew && SparseCheck.Run(file, header, tables).FirstOrDefault(f => f.IsDamage) is { } damage)
            throw new ImageFormatException(file.Path, -1, "grain tables", $"are damaged, so the disk is not written: {damage.Message}");
        end = Sectors.AlignUp(Math.Max(file.Length, header.OverheadSectors * VmdkLayout.SectorBytes), grainBytes);
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        Begin();
        while (data.Length > 0)
        {
            // Grains that lie one behind the other in the file are written in one call.
            var place = PlaceOf(offset / grainBytes) + (offset % grainBytes);
            long count = Math.Min(data.Length, grainBytes - (offset % grainBytes));
            while (count < data.Length && PlaceOf((offset + count) / grainBytes) == place + count) count += Math.Min(data.Length - count, grainBytes);
            file.Write(place, data[..(int)count]);
            data = data[(int)count..];
            offset += count;
        }

        if (tables.ChangedTables > ChangedTablesMax) Flush();
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

    public void Flush()
    {
        lock (flushing)
        {
            RequireSound();
            try
            {
                FlushLocked();
            }
            catch
            {
                hasFailed = true;
                throw;
            }
        }
    }

    /// <summary>Flushes and takes the unclean flag back. After a failure nothing is touched any more, and the flag stays.</summary>
    public void Close()
    {
        if (!hasBegun || hasFailed) return;
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
            long place;
            if (free.TryPop(out var sector))
            {
                place = (long)sector * VmdkLayout.SectorBytes;
                // Cleared before the table names it: nobody may see what lay there before.
                Clear(place, grainBytes);
            }
            else
            {
                place = end;
                if ((place + grainBytes) / VmdkLayout.SectorBytes > uint.MaxValue) throw new IOException($"{file.Path}: a VMDK extent cannot grow past 2 TiB");
                file.SetLength(place + grainBytes);
                end = place + grainBytes;
            }

            tables[grain] = (uint)(place / VmdkLayout.SectorBytes);
            return place;
        }
    }

    private void PunchInGrain(long grain, long inGrain, long count, bool isWhole)
    {
        lock (allocation)
        {
            var entry = tables[grain];
            if (!IsStored(entry)) return;
            if (!isWhole)
            {
                Clear(((long)entry * VmdkLayout.SectorBytes) + inGrain, count);
                return;
            }

            // Nothing is behind this disk, so "unallocated" is zeros for every reader; some pass over the zeroed-grain entry.
            tables[grain] = 0;
            freed.Add(entry);
        }
    }

    private bool IsStored(uint entry) => entry > 1 || (entry == 1 && !header.Flags.HasFlag(SparseFlags.ZeroedGrains));

    private void Clear(long offset, long length)
    {
        if (!file.TryPunch(offset, length)) file.Write(offset, new byte[(int)length]);
    }

    private void Begin()
    {
        RequireSound();
        if (hasBegun) return;
        lock (flushing)
        {
            if (hasBegun) return;
            file.Write(SparseHeader.UncleanOffset, [1]);
            file.Flush();
            hasBegun = true;
        }
    }

    private void RequireSound()
    {
        if (hasFailed) throw new IOException($"{file.Path}: an earlier write of its metadata failed; it is not written any further");
    }
}
