using VmRepl.Blocks;

namespace VmRepl.Images.Vhdx;

/// <summary>
/// What writing adds to an open fixed or dynamic VHDX.
/// <para>
/// Before the first change the header gets new file-write and data-write GUIDs, durably: children and copies can tell that the contents moved on.
/// A block is given a place, and the table in memory says so at once; the table in the file says so after <see cref="Flush"/>, through the log, when the payload is durable.
/// So a crash shows each block as before the last flush or after it, and at worst leaks space. The place of a punched block is used again only after the flush that says it is free.
/// </para>
/// <para>After a failed flush or commit everything fails: what is on disk is then not known.</para>
/// </summary>
internal sealed class VhdxWriting
{
    /// <summary>Table sectors (4096 bytes, 512 blocks each) that may wait in memory for a flush.</summary>
    private const int ChangedSectorsMax = 2048;

    private const int ZerosAtOnce = 1 << 20;

    private readonly VhdxFile file;
    private readonly VhdxStructure structure;
    private readonly BlockTable table;
    private readonly VhdxSpace space;
    private readonly VhdxLogWriter log;
    private readonly Func<Guid> newGuid;
    private readonly Lock allocation = new();
    private readonly Lock flushing = new();
    private List<Extent> freed = [];
    private volatile bool hasBegun;
    private volatile bool hasFailed;

    /// <exception cref="ImageFormatException">The table is damaged, so that a write could hit a second block.</exception>
    public VhdxWriting(VhdxFile file, VhdxStructure structure, BlockTable table, Func<Guid> newGuid)
    {
        this.file = file;
        this.structure = structure;
        this.table = table;
        this.newGuid = newGuid;
        if (structure.Headers.Current.LogLength == 0) throw file.Bad(VhdxLayout.HeaderOffsets[0] + 68, "LogLength", "is zero: a file without a log cannot be written safely");
        space = VhdxSpace.Read(file, structure, table, damage => throw damage);
        log = new VhdxLogWriter(file, structure.Headers, newGuid);
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        Begin();
        var blockSize = structure.Geometry.BlockSize;
        while (data.Length > 0)
        {
            var inBlock = offset % blockSize;
            var count = (int)Math.Min(data.Length, blockSize - inBlock);
            file.File.Write(PlaceOf(offset / blockSize) + inBlock, data[..count]);
            data = data[count..];
            offset += count;
        }

        if (table.ChangedSectors > ChangedSectorsMax) Flush();
    }

    public void Punch(long offset, long length)
    {
        Begin();
        var blockSize = structure.Geometry.BlockSize;
        for (var end = offset + length; offset < end;)
        {
            var inBlock = offset % blockSize;
            var count = Math.Min(end - offset, blockSize - inBlock);
            // The last block of the disk is whole when the disk's part of it is.
            var isWhole = inBlock == 0 && (count == blockSize || offset + count == structure.Geometry.DiskLength);
            PunchInBlock(offset / blockSize, inBlock, count, isWhole);
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

    /// <summary>Flushes and gives up the log, so that other readers need no replay. After a failure nothing is touched any more.</summary>
    public void Close()
    {
        if (!hasBegun || hasFailed) return;
        Flush();
        lock (flushing) log.Close();
    }

    private void FlushLocked()
    {
        List<(long FileOffset, byte[] Sector)> sectors;
        List<Extent> nowFree;
        lock (allocation)
        {
            sectors = table.TakeChanged();
            (nowFree, freed) = (freed, []);
        }

        file.File.Flush();
        for (var done = 0; done < sectors.Count; done += log.SectorsMax)
        {
            // An entry is its own tail, so what the one before it changed in place must not depend on it any more.
            if (done > 0) file.File.Flush();
            log.Commit(sectors.GetRange(done, Math.Min(log.SectorsMax, sectors.Count - done)));
        }

        table.Committed();
        foreach (var place in nowFree)
        {
            file.File.TryPunch(place.Offset, place.Length);
            lock (allocation) space.Free(place);
        }
    }

    /// <summary>Where the block lies; a block without a place gets one, all zeros.</summary>
    private long PlaceOf(long block)
    {
        var index = structure.Geometry.PayloadIndex(block);
        var entry = table[index];
        if (entry.State == PayloadState.FullyPresent) return (long)entry.FileOffset;
        lock (allocation)
        {
            entry = table[index];
            if (entry.State == PayloadState.FullyPresent) return (long)entry.FileOffset;
            var (offset, isReused) = space.Allocate(structure.Geometry.BlockSize);
            // Cleared before the table names it: a reader beside this writer, or a crash, must not see what lay there before.
            if (isReused) Clear(offset, structure.Geometry.BlockSize);
            else file.File.SetLength(offset + structure.Geometry.BlockSize);
            table[index] = new BatEntry(PayloadState.FullyPresent, offset);
            return offset;
        }
    }

    private void PunchInBlock(long block, long inBlock, long count, bool isWhole)
    {
        var index = structure.Geometry.PayloadIndex(block);
        lock (allocation)
        {
            var entry = table[index];
            if (entry.State != PayloadState.FullyPresent) return;
            var place = (long)entry.FileOffset;
            if (!isWhole || structure.Metadata.LeaveAllocated)
            {
                Clear(place + inBlock, count);
                return;
            }

            // ZERO, not UNMAPPED: an unmapped block may show its former contents ([MS-VHDX] 2.5.1.1).
            table[index] = new BatEntry(PayloadState.Zero, 0);
            freed.Add(new Extent(place, structure.Geometry.BlockSize));
        }
    }

    private void Clear(long offset, long length)
    {
        if (file.File.Length < offset + length) file.File.SetLength(offset + length);
        if (file.File.TryPunch(offset, length)) return;
        var zeros = new byte[(int)Math.Min(length, ZerosAtOnce)];
        for (long done = 0; done < length; done += zeros.Length) file.File.Write(offset + done, zeros.AsSpan(0, (int)Math.Min(zeros.Length, length - done)));
    }

    private void Begin()
    {
        RequireSound();
        if (hasBegun) return;
        lock (flushing)
        {
            if (hasBegun) return;
            var headers = structure.Headers;
            headers.Update(headers.Current with { FileWriteGuid = newGuid(), DataWriteGuid = newGuid() });
            hasBegun = true;
        }
    }

    private void RequireSound()
    {
        if (hasFailed) throw new IOException($"{file.Path}: an earlier write of its metadata failed; it is not written any further");
    }
}
