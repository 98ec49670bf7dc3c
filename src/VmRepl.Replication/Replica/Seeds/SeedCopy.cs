using VmRepl.Blocks;
using VmRepl.Images;
using VmRepl.Journal;
using VmRepl.Journal.Views;
using VmRepl.Protocol.Records;
using VmRepl.Replication.Digests;

namespace VmRepl.Replication.Replica.Seeds;

/// <summary>
/// Copies a seed to the same place of a live image in a baseline, a region at a time, as far as both reach. Zeros and holes are not written: a live image has holes there. What was copied before is written again with the
/// same contents, so a copy that was cut is simply repeated.
/// </summary>
/// <param name="disk">The disk's number.</param>
/// <param name="length">Bytes of the live image, a multiple of the sector.</param>
internal sealed class SeedCopy(IBlockDevice seed, uint disk, long length)
{
    private const int RegionBytes = BlockDigest.RegionBytes, BlockBytes = BlockDigest.LeafBytes;

    /// <summary>Bytes of the disk that the seed speaks of.</summary>
    public long TotalBytes { get; } = Math.Min(length, Sectors.AlignUp(seed.Length, Sectors.Size));

    /// <summary>Bytes up to which everything was looked at.</summary>
    public long DoneBytes { get; private set; }

    public long CopiedBytes { get; private set; }

    /// <summary>Why the seed could be used no further; null while it could.</summary>
    public string? Problem { get; private set; }

    /// <summary>The regions in order, each as records for the live image; none of it where a region holds nothing. The memory of a region's records is used again for the next.</summary>
    public IEnumerable<IReadOnlyList<Record>> Regions()
    {
        using var buffer = PooledBuffer.Rent(RegionBytes);
        for (long at = 0; at < TotalBytes; at += RegionBytes)
        {
            var region = Extent.FromEnds(at, Math.Min(TotalBytes, at + RegionBytes));
            // Its map as well a region at a time: what is damaged costs no more than what lies behind it.
            if (Try(() => HasData(region) ? Read(region, buffer) : []) is not { } records) yield break;
            yield return records;
            CopiedBytes += records.Sum(r => (long)r.PayloadLength);
            DoneBytes = region.End;
        }
    }

    private bool HasData(Extent region) => seed.Map(region.Offset, Math.Min(region.Length, seed.Length - region.Offset)).Any(r => r.HasData);

    private List<Record> Read(Extent region, PooledBuffer buffer)
    {
        var contents = buffer.Memory[..(int)region.Length];
        // A raw file may end within a sector.
        var there = (int)Math.Min(region.Length, seed.Length - region.Offset);
        seed.Read(region.Offset, contents.Span[..there]);
        contents.Span[there..].Clear();
        var records = new List<Record>();
        for (var at = 0; at < contents.Length;)
        {
            var end = at;
            while (end < contents.Length && !IsZeroAt(end)) end = Math.Min(contents.Length, end + BlockBytes);
            if (end > at) records.Add(Record.Create(new RecordHeader { Kind = RecordKind.Write, Disk = disk, Offset = region.Offset + at, Length = end - at }, contents[at..end]));
            at = Math.Min(contents.Length, end + (end > at ? 0 : BlockBytes));
        }

        return records;

        bool IsZeroAt(int offset) => Sectors.IsZero(contents.Span.Slice(offset, Math.Min(BlockBytes, contents.Length - offset)));
    }

    /// <summary>What cannot be read ends the use of the seed, and nothing else: the rest comes from the source.</summary>
    private T? Try<T>(Func<T> read)
        where T : class
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is ImageFormatException or IOException or JournalDamagedException or ViewClosedException or ObjectDisposedException)
        {
            Problem = $"used up to byte {DoneBytes} only: {e.Message}";
            return null;
        }
    }
}
