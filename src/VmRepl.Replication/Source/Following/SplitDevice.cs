using VmRepl.Blocks;
using VmRepl.Protocol.Records;

namespace VmRepl.Replication.Source.Following;

/// <summary>A followed disk as a block device: what is written here is in the local image and on its way to the replica. Safe for concurrent use, overlapping writes included.</summary>
internal sealed class SplitDevice(FollowedDisk disk, Splitter splitter, CancellationToken stopping) : IBlockDevice
{
    public long Length => disk.Disk.Length;

    public int SectorSize => disk.Disk.SectorSize;

    public bool IsReadOnly => false;

    public void Read(long offset, Span<byte> buffer) => disk.Image.Read(offset, buffer);

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        while (data.Length > 0)
        {
            var count = Math.Min(data.Length, Splitter.PieceBytes);
            var extent = new Extent(offset, count);
            var head = (int)(offset - Sectors.AlignDown(offset, Sectors.Size));
            var contents = new RegionBuffer((int)(Sectors.AlignUp(extent.End, Sectors.Size) - offset + head));
            data[..count].CopyTo(contents.Memory.Span[head..]);
            Wait(splitter.WriteAsync(disk, extent, contents, stopping));
            offset += count;
            data = data[count..];
        }
    }

    public void Zero(long offset, long length) => Wait(splitter.EmptyAsync(disk, RecordKind.Zero, new Extent(offset, length), stopping));

    public void Punch(long offset, long length) => Wait(splitter.EmptyAsync(disk, RecordKind.Punch, new Extent(offset, length), stopping));

    public void Flush() => disk.Image.Flush();

    public IEnumerable<MapExtent> Map(long offset, long length) => disk.Image.Map(offset, length);

    /// <summary>The image is its owner's.</summary>
    public void Dispose()
    {
    }

    private static void Wait(ValueTask change)
    {
        if (change.IsCompletedSuccessfully) return;
        try
        {
            change.AsTask().GetAwaiter().GetResult();
        }
        catch (OperationCanceledException e)
        {
            throw new IOException("the agent is stopping; the disk is served again when it has started", e);
        }
    }
}
