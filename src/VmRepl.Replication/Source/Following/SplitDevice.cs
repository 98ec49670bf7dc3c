using VmRepl.Blocks;
using VmRepl.Protocol.Records;

namespace VmRepl.Replication.Source.Following;

/// <summary>A followed disk as a block device: what is written here is in the local image and on its way to the replica. Safe for concurrent use, overlapping writes included.</summary>
internal sealed class SplitDevice(FollowedDisk disk, Splitter splitter, CancellationToken stopping) : IBlockDevice, IDeferredWrite
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
            Wait(Begin(offset, data[..count], isReleased: true));
            offset += count;
            data = data[count..];
        }
    }

    /// <summary>Ends when it may be answered. Longer than a piece it ends before it returns.</summary>
    public ValueTask WriteAsync(long offset, ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty) return default;
        if (data.Length <= Splitter.PieceBytes)
        {
            var change = Begin(offset, data, isReleased: false);
            return change.IsCompletedSuccessfully ? default : AnswerAsync(change);
        }

        Write(offset, data);
        return default;
    }

    public void Zero(long offset, long length) => Wait(splitter.EmptyAsync(disk, RecordKind.Zero, new Extent(offset, length), stopping));

    public void Punch(long offset, long length) => Wait(splitter.EmptyAsync(disk, RecordKind.Punch, new Extent(offset, length), stopping));

    public void Flush() => disk.Image.Flush();

    public IEnumerable<MapExtent> Map(long offset, long length) => disk.Image.Map(offset, length);

    /// <summary>The image is its owner's.</summary>
    public void Dispose()
    {
    }

    public void Release() => splitter.Release();

    private ValueTask Begin(long offset, ReadOnlySpan<byte> data, bool isReleased)
    {
        var extent = new Extent(offset, data.Length);
        var head = (int)(offset - Sectors.AlignDown(offset, Sectors.Size));
        var contents = new RegionBuffer((int)(Sectors.AlignUp(extent.End, Sectors.Size) - offset + head));
        data.CopyTo(contents.Memory.Span[head..]);
        return splitter.WriteAsync(disk, extent, contents, isReleased, stopping);
    }

    private static void Wait(ValueTask change)
    {
        if (!change.IsCompletedSuccessfully) AnswerAsync(change).AsTask().GetAwaiter().GetResult();
    }

    private static async ValueTask AnswerAsync(ValueTask change)
    {
        try
        {
            await change.ConfigureAwait(false);
        }
        catch (OperationCanceledException e)
        {
            throw new IOException("the agent is stopping; the disk is served again when it has started", e);
        }
    }
}
