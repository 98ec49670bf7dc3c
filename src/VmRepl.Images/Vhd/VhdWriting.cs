using System.Collections;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vhd;

/// <summary>
/// What writing adds to an open dynamic or differencing disk ("Implementing a Dynamic Disk").
/// <para>
/// A block is given a place, and the table in memory says so at once; the table in the file says so after <see cref="Flush"/>, when bitmap and data are durable.
/// So a crash shows each block as before the last flush or after it, and at worst leaks space. The place of a punched block is used again only after the flush that says it is free.
/// </para>
/// <para>
/// The file grows by moving the footer: it is written to the new end and made durable before blocks cover the old one, so there is one at the end at any moment. Some blocks' room is taken at
/// a time, more as the file grows, to make that rare; what is left over is given back by <see cref="Close"/>.
/// </para>
/// <para>After a failed flush everything fails: what is on disk is then not known.</para>
/// </summary>
internal sealed class VhdWriting
{
    /// <summary>Table sectors (512 bytes, 128 blocks each) that may wait in memory for a flush.</summary>
    private const int ChangedSectorsMax = 8192;

    /// <summary>Bytes of sector bitmaps that may wait in memory for a flush.</summary>
    private const long ChangedBitmapBytesMax = 8 << 20;

    private const long GrowthBytesMax = 64 << 20;

    /// <summary>Places are counted in sectors, and the highest count means none.</summary>
    private const long FileLengthMax = (long)VhdLayout.Absent * VhdLayout.SectorBytes;

    private readonly VhdStructure structure;
    private readonly VhdFile file;
    private readonly BlockTable table;
    private readonly VhdStamp stamp;
    private readonly VhdSpace space;
    private readonly DifferencingSectors? overlay;
    private readonly SectorBitmaps? bitmaps;
    private readonly BitArray marked;
    private readonly Lock allocation = new();
    private readonly FlushGate flushes;
    private readonly long trimMin;
    private List<Extent> freed = [];
    private int growthBlocks = 1;
    private volatile bool isYoung;
    private volatile bool hasBegun;

    /// <param name="structure">The disk's structures.</param>
    /// <param name="table">Its table.</param>
    /// <param name="bitmaps">The sector bitmaps of a differencing disk; null for a dynamic one.</param>
    /// <param name="stamp">The footer.</param>
    /// <param name="image">The image that is written.</param>
    /// <exception cref="ImageFormatException">The table is damaged, so that a write could hit a second block.</exception>
    public VhdWriting(VhdStructure structure, BlockTable table, SectorBitmaps? bitmaps, VhdStamp stamp, BlockVhd image)
    {
        this.structure = structure;
        this.table = table;
        this.bitmaps = bitmaps;
        this.stamp = stamp;
        file = structure.File;
        flushes = new FlushGate(file.File.Path);
        for (long block = 0; block < structure.Blocks; block++)
        {
            if (table.IsDamaged(block)) throw table.Fault(block);
        }

        space = new VhdSpace(structure, table);
        marked = new BitArray((int)structure.Blocks);
        isYoung = stamp.IsNew;
        trimMin = structure.Footers.End;
        if (bitmaps is not null) overlay = new DifferencingSectors(structure, bitmaps, image);
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        Begin();
        while (data.Length > 0)
        {
            var inBlock = offset % structure.BlockSize;
            var count = (int)Math.Min(data.Length, structure.BlockSize - inBlock);
            WriteInBlock(offset / structure.BlockSize, inBlock, data[..count]);
            data = data[count..];
            offset += count;
        }

        FlushIfMuchWaits();
    }

    public void Punch(long offset, long length)
    {
        Begin();
        for (var end = offset + length; offset < end;)
        {
            var inBlock = offset % structure.BlockSize;
            var count = Math.Min(end - offset, structure.BlockSize - inBlock);
            PunchInBlock(offset / structure.BlockSize, inBlock, count);
            offset += count;
        }

        FlushIfMuchWaits();
    }

    public void Flush() => flushes.Run(FlushLocked);

    /// <summary>Flushes and gives back what was taken for blocks that did not come. After a failure nothing is touched any more.</summary>
    public void Close()
    {
        if (!hasBegun || flushes.HasFailed) return;
        Flush();
        // No further than the file was when it was opened: what lies there unnamed may be something's that we do not know.
        var end = Math.Max(Sectors.AlignUp(table.FindEnd(), VhdLayout.SectorBytes), trimMin);
        if (end >= stamp.End) return;
        stamp.MoveTo(end);
        file.File.Flush();
        file.File.SetLength(end + VhdLayout.FooterBytes);
    }

    /// <exception cref="IOException">An earlier flush failed.</exception>
    public void RequireSound() => flushes.RequireSound();

    private void FlushLocked()
    {
        List<(long Place, byte[] Bits)> bits;
        List<(long FileOffset, byte[] Entries)> entries;
        List<Extent> nowFree;
        lock (allocation)
        {
            // Of one moment: a block whose entry is written has its bitmap written too.
            bits = bitmaps?.TakeChanged() ?? [];
            entries = table.TakeChanged();
            (nowFree, freed) = (freed, []);
        }

        isYoung = false;
        file.File.Flush();
        if (bits.Count > 0)
        {
            foreach (var (place, bytes) in bits) file.File.Write(place, bytes);
            file.File.Flush();
            bitmaps!.Committed();
        }

        if (entries.Count > 0)
        {
            foreach (var (offset, bytes) in entries) file.File.Write(offset, bytes);
            file.File.Flush();
        }

        foreach (var place in nowFree)
        {
            file.File.TryPunch(place.Offset, place.Length);
            lock (allocation) space.Free(place);
        }
    }

    private void WriteInBlock(long block, long inBlock, ReadOnlySpan<byte> data)
    {
        var place = PlaceOf(block);
        if (overlay is not null)
        {
            overlay.Write(block, place, inBlock, data);
            return;
        }

        MarkAll(block, place);
        file.File.Write(place + structure.BitmapBytes + inBlock, data);
    }

    private void PunchInBlock(long block, long inBlock, long count)
    {
        if (overlay is not null)
        {
            if (table.Place(block) is null && overlay.IsZeroBehind(block, inBlock, count)) return;
            overlay.Zero(block, PlaceOf(block), inBlock, count);
            return;
        }

        lock (allocation)
        {
            if (table.Place(block) is not { } place) return;
            // The last block of the disk is whole when the disk's part of it is.
            if (inBlock == 0 && count == structure.DataBytes(block))
            {
                table.Set(block, null);
                marked[(int)block] = false;
                // Not more than the block has: where the disk ends inside it, something else may lie in the rest of its room.
                freed.Add(new Extent(place, structure.StoredBytes(block)));
            }
            else
            {
                file.File.Clear(place + structure.BitmapBytes + inBlock, count);
            }
        }
    }

    /// <summary>Where the block lies; a block without a place gets one, all zeros.</summary>
    private long PlaceOf(long block)
    {
        if (table.Place(block) is { } known) return known;
        lock (allocation)
        {
            if (table.Place(block) is { } meanwhile) return meanwhile;
            var (place, isFresh) = space.Take() ?? Grow();
            // Cleared before the table names it: a reader beside this writer, or a crash, must not see what lay there before.
            if (!isFresh) file.File.Clear(place, structure.BitmapBytes + structure.BlockSize);
            // Written even when it is zeros: the old footer may lie there.
            file.File.Write(place, overlay is null ? AllSet() : new byte[structure.BitmapBytes]);
            bitmaps?.Begin(block, place);
            marked[(int)block] = true;
            table.Set(block, place);
            return place;
        }
    }

    /// <summary>Room for more blocks behind the last one.</summary>
    private (long Place, bool IsFresh) Grow()
    {
        var from = stamp.End;
        var to = space.EndAfter(from, growthBlocks);
        if (to > FileLengthMax) to = space.EndAfter(from, 1);
        if (to > FileLengthMax) throw new ImageFullException($"{file.File.Path}: a VHD file cannot be longer than {FileLengthMax} bytes");
        stamp.MoveTo(to);
        // A file that was made just now and never flushed has nothing to lose.
        if (!isYoung) flushes.Attempt(file.File.Flush);
        space.Grow(from, to);
        growthBlocks = (int)Math.Clamp(GrowthBytesMax / structure.BlockSize, 1, growthBlocks * 2);
        return space.Take()!.Value;
    }

    /// <summary>Sees to it that a dynamic disk's bitmap has no bit clear for what is about to be written: some readers go by it.</summary>
    private void MarkAll(long block, long place)
    {
        if (marked[(int)block]) return;
        lock (allocation)
        {
            var bits = new byte[structure.BitmapBytes];
            file.Read(place, bits, "sector bitmap");
            var all = AllSet();
            if (!bits.AsSpan().SequenceEqual(all)) file.File.Write(place, all);
            marked[(int)block] = true;
        }
    }

    /// <summary>A sector bitmap with every bit set that stands for a sector.</summary>
    private byte[] AllSet()
    {
        var bits = new byte[structure.BitmapBytes];
        var sectors = (int)(structure.BlockSize / VhdLayout.SectorBytes);
        bits.AsSpan(0, sectors / 8).Fill(byte.MaxValue);
        if (sectors % 8 != 0) bits[sectors / 8] = (byte)(byte.MaxValue << (8 - (sectors % 8)));
        return bits;
    }

    private void FlushIfMuchWaits()
    {
        if (table.ChangedSectors > ChangedSectorsMax || bitmaps?.ChangedBytes > ChangedBitmapBytesMax) Flush();
    }

    private void Begin()
    {
        RequireSound();
        if (hasBegun) return;
        stamp.Mark();
        hasBegun = true;
    }
}
