using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vhdx;

/// <summary>
/// What writing adds to an open VHDX.
/// <para>
/// Before the first change the header gets new file-write and data-write GUIDs, durably: children and copies can tell that the contents moved on.
/// A block is given a place, and the table in memory says so at once; the table in the file says so after <see cref="Flush"/>, through the log, when the payload is durable.
/// So a crash shows each block as before the last flush or after it, and at worst leaks space. The place of a punched block is used again only after the flush that says it is free.
/// </para>
/// <para>
/// In a differencing disk the sector bitmaps go the same way as the table, and before it: a flush commits changed pages of bitmaps, then the table from its end to its start, so that the
/// entry of a chunk's bitmap is never behind the entries of blocks that need it, however the changes are cut into entries of the log. <see cref="DifferencingBlocks"/> has the rest.
/// </para>
/// <para>After a failed flush or commit everything fails: what is on disk is then not known.</para>
/// </summary>
internal sealed class VhdxWriting
{
    /// <summary>Table sectors (4096 bytes, 512 blocks each) that may wait in memory for a flush.</summary>
    private const int ChangedSectorsMax = 2048;

    private readonly VhdxFile file;
    private readonly VhdxStructure structure;
    private readonly BlockTable table;
    private readonly VhdxSpace space;
    private readonly VhdxLogWriter log;
    private readonly Func<Guid> newGuid;
    private readonly SectorBitmapChanges? bitmaps;
    private readonly DifferencingBlocks? overlay;
    private readonly Lock allocation = new();
    private readonly FlushGate flushes;
    private List<Extent> freed = [];
    private volatile bool hasBegun;

    /// <param name="bitmaps">The sector bitmaps of a differencing disk; null for any other.</param>
    /// <param name="image">The image that is written.</param>
    /// <exception cref="ImageFormatException">The table is damaged, so that a write could hit a second block.</exception>
    public VhdxWriting(VhdxFile file, VhdxStructure structure, BlockTable table, Func<Guid> newGuid, SectorBitmapChanges? bitmaps, VhdxImage image)
    {
        this.file = file;
        flushes = new FlushGate(file.Path);
        this.structure = structure;
        this.table = table;
        this.newGuid = newGuid;
        if (structure.Headers.Current.LogLength == 0) throw file.Mismatch(VhdxLayout.HeaderOffsets[0] + 68, "LogLength", "more than 0 in a file that is written, since nothing else makes a write safe", "0");
        if (structure.Headers.Current.LogLength > VhdxLayout.LogBytesMax)
            throw file.Mismatch(VhdxLayout.HeaderOffsets[0] + 68, "LogLength", $"at most {VhdxLayout.LogBytesMax} in a file that is written", $"{structure.Headers.Current.LogLength}");
        space = VhdxSpace.Read(file, structure, table, damage => throw damage);
        log = new VhdxLogWriter(file, structure.Headers, newGuid);
        this.bitmaps = bitmaps;
        if (bitmaps is not null) overlay = new DifferencingBlocks(file, structure, table, bitmaps, new DifferencingBlocks.Surroundings(image.Read, range => image.Parent.IsZeroBehind(range), Allocate, Clear));
    }

    /// <summary>Whether the file's tables are not yet those in memory.</summary>
    public bool HasUnwritten => table.HasUnwritten || bitmaps?.HasUnwritten == true;

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        Begin();
        var blockSize = structure.Geometry.BlockSize;
        while (data.Length > 0)
        {
            var inBlock = offset % blockSize;
            var count = (int)Math.Min(data.Length, blockSize - inBlock);
            WriteInBlock(offset / blockSize, inBlock, data[..count]);
            data = data[count..];
            offset += count;
        }

        FlushIfMuchWaits();
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

        FlushIfMuchWaits();
    }

    public void Flush() => flushes.Run(FlushLocked);

    /// <summary>Flushes and gives up the log, so that other readers need no replay. After a failure nothing is touched any more.</summary>
    public void Close()
    {
        if (!hasBegun || flushes.HasFailed) return;
        Flush();
        lock (flushes.Alone) log.Close();
    }

    /// <exception cref="IOException">An earlier flush failed.</exception>
    public void RequireSound() => flushes.RequireSound();

    private void FlushLocked()
    {
        List<(long FileOffset, byte[] Sector)> sectors;
        List<Extent> nowFree;
        lock (allocation)
        {
            var entries = table.TakeChanged();
            entries.Reverse();
            sectors = [.. bitmaps?.TakeChanged() ?? [], .. entries];
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
        bitmaps?.Committed();
        foreach (var place in nowFree)
        {
            file.File.TryPunch(place.Offset, place.Length);
            lock (allocation) space.Free(place);
        }
    }

    private void WriteInBlock(long block, long inBlock, ReadOnlySpan<byte> data)
    {
        var (place, isPartial) = PlaceOf(block);
        if (isPartial) overlay!.Write(block, place, inBlock, data);
        else file.File.Write(place + inBlock, data);
    }

    /// <summary>Where the block lies, and whether sector by sector; a block without a place gets one, all zeros.</summary>
    private (long Offset, bool IsPartial) PlaceOf(long block)
    {
        var index = structure.Geometry.PayloadIndex(block);
        var entry = table[index];
        if (entry.IsStored) return Stored(entry);
        lock (allocation)
        {
            entry = table[index];
            if (entry.IsStored) return Stored(entry);
            if (overlay is not null && entry.State == PayloadState.NotPresent) return (overlay.Place(block), true);
            var offset = Allocate(structure.Geometry.BlockSize);
            table[index] = new BatEntry(PayloadState.FullyPresent, offset);
            return (offset, false);
        }

        static (long, bool) Stored(BatEntry entry) => ((long)entry.FileOffset, entry.State == PayloadState.PartiallyPresent);
    }

    /// <summary>Space of the file, all zeros. Under the lock of allocation.</summary>
    private long Allocate(int length)
    {
        var (offset, isReused) = space.Allocate(length);
        // Cleared before the table names it: a reader beside this writer, or a crash, must not see what lay there before.
        if (isReused) Clear(offset, length);
        else file.File.SetLength(offset + length);
        return offset;
    }

    private void PunchInBlock(long block, long inBlock, long count, bool isWhole)
    {
        var index = structure.Geometry.PayloadIndex(block);
        lock (allocation)
        {
            var entry = table[index];
            var isBehind = overlay is not null && entry.State == PayloadState.NotPresent;
            if (!entry.IsStored && !isBehind) return;
            if (isWhole && (isBehind || !structure.Metadata.LeaveAllocated))
            {
                // ZERO, not UNMAPPED: an unmapped block may show its former contents; and in a differencing disk the parent's are hidden by it ([MS-VHDX] 2.5.1.1).
                table[index] = new BatEntry(PayloadState.Zero, 0);
                if (!isBehind) freed.Add(new Extent((long)entry.FileOffset, structure.Geometry.BlockSize));
            }
            else if (entry.State == PayloadState.FullyPresent)
            {
                Clear((long)entry.FileOffset + inBlock, count);
            }
            else
            {
                overlay!.Zero(block, isBehind ? null : (long)entry.FileOffset, inBlock, count);
            }
        }
    }

    private void FlushIfMuchWaits()
    {
        if (table.ChangedSectors + (bitmaps?.ChangedPages ?? 0) > ChangedSectorsMax) Flush();
    }

    private void Clear(long offset, long length)
    {
        if (file.File.Length < offset + length) file.File.SetLength(offset + length);
        file.File.Clear(offset, length);
    }

    private void Begin()
    {
        RequireSound();
        if (hasBegun) return;
        lock (flushes.Alone)
        {
            if (hasBegun) return;
            VhdxRegions.AlignCopies(file);
            var headers = structure.Headers;
            headers.Update(headers.Current with { FileWriteGuid = newGuid(), DataWriteGuid = newGuid() });
            hasBegun = true;
        }
    }
}
