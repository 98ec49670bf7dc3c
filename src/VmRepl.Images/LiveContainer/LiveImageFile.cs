using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.LiveContainer;

/// <summary>
/// The disk inside a live image's container: the bytes [<see cref="PayloadOffset"/>, <see cref="PayloadOffset"/> + <see cref="Length"/>) of <see cref="File"/>.
/// It holds no state of its own, so its durability and its crash cases are the file's.
/// </summary>
public sealed class LiveImageFile : IBlockDevice, IHostBacked
{
    // Linux caches what one call writes in pages as large as that, and ext4 looks at each 4 KiB of such a page whenever a part of it is written later: a write of 4 KiB took 11 µs where the file had been filled by the MiB,
    // and 3 µs where it had been by 16 KiB, which takes no longer.
    private const int WriteBytesMax = 16 << 10;

    // What a host frees at least; PayloadOffset is a multiple of it.
    private const int HostBlock = 4096;

    internal LiveImageFile(IHostFile file, long payloadOffset, long length, int sectorSize, uint contentId)
    {
        File = file;
        PayloadOffset = payloadOffset;
        Length = length;
        SectorSize = sectorSize;
        ContentId = contentId;
    }

    /// <summary>The container, owned by this. To share extents with it (clone-range), add <see cref="PayloadOffset"/>.</summary>
    public IHostFile File { get; }

    /// <summary>Where the disk's first byte lies in <see cref="File"/>: a multiple of 1 MiB.</summary>
    public long PayloadOffset { get; }

    public long Length { get; }

    public int SectorSize { get; }

    public long HostOffset => PayloadOffset;

    public bool IsReadOnly => File.IsReadOnly;

    /// <summary>The CID of its VMDK descriptor, from the VHDX's data-write GUID.</summary>
    internal uint ContentId { get; }

    public void Read(long offset, Span<byte> buffer)
    {
        RequireInside(offset, buffer.Length);
        File.ReadExactly(PayloadOffset + offset, buffer);
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        RequireWritable();
        RequireInside(offset, data.Length);
        while (data.Length > 0)
        {
            var count = Math.Min(data.Length, WriteBytesMax - (int)(offset % WriteBytesMax));
            File.Write(PayloadOffset + offset, data[..count]);
            offset += count;
            data = data[count..];
        }
    }

    public void WriteAroundCache(long offset, IReadOnlyList<ReadOnlyMemory<byte>> parts)
    {
        RequireWritable();
        RequireInside(offset, parts.Sum(p => (long)p.Length));
        File.WriteAroundCache(PayloadOffset + offset, parts);
    }

    public void FinishWrites() => File.FinishWrites();

    public void Zero(long offset, long length) => Punch(offset, length);

    public void Punch(long offset, long length)
    {
        RequireWritable();
        RequireInside(offset, length);
        if (length == 0) return;
        var from = StartOfZeros(offset);
        if (File.TryPunch(PayloadOffset + from, EndOfZeros(offset + length) - from)) return;
        File.WriteZeros(PayloadOffset + offset, length);
    }

    public bool TryCloneTo(IHostFile target, long targetOffset, long offset, long length)
    {
        RequireInside(offset, length);
        return target.TryCloneRange(File, PayloadOffset + offset, targetOffset, length);
    }

    public bool TryCloneFrom(IHostFile source, long sourceOffset, long offset, long length)
    {
        RequireWritable();
        RequireInside(offset, length);
        return File.TryCloneRange(source, sourceOffset, PayloadOffset + offset, length);
    }

    /// <summary>Lets the host begin to write back a range that was written: the flush that follows waits less. Promises nothing.</summary>
    public void BeginWriteBack(long offset, long length)
    {
        RequireInside(offset, length);
        File.BeginWriteBack(PayloadOffset + offset, length);
    }

    public void Flush() => File.Flush();

    public IEnumerable<MapExtent> Map(long offset, long length)
    {
        RequireInside(offset, length);
        return MapInside(offset, length);
    }

    public void Dispose() => File.Dispose();

    /// <summary>
    /// The start of the host's block in which a punch begins, where what lies before it is zeros already: only whole blocks can be freed, and sectors that were written one by one
    /// and are taken back one by one would leave theirs allocated for ever.
    /// </summary>
    private long StartOfZeros(long offset)
    {
        var start = Sectors.AlignDown(offset, HostBlock);
        return IsZero(start, offset) ? start : offset;
    }

    /// <summary>The same at the end of a punch.</summary>
    private long EndOfZeros(long offset)
    {
        var end = Math.Min(Sectors.AlignUp(offset, HostBlock), Length);
        return IsZero(offset, end) ? end : offset;
    }

    private bool IsZero(long from, long to)
    {
        if (from == to) return true;
        Span<byte> found = stackalloc byte[(int)(to - from)];
        File.ReadExactly(PayloadOffset + from, found);
        return Sectors.IsZero(found);
    }

    private IEnumerable<MapExtent> MapInside(long offset, long length) =>
        File.MapStored(new MapExtent(offset, length, BlockState.Data, 0, PayloadOffset + offset), BlockState.Unallocated);

    private void RequireInside(long offset, long length) => DiskRange.RequireInside(this, File.Path, offset, length);

    private void RequireWritable()
    {
        if (IsReadOnly) throw new NotSupportedException($"{File.Path} is open for reading only");
    }
}
