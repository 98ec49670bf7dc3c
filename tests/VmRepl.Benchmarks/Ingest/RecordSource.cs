using System.Globalization;
using VmRepl.Protocol.Records;

namespace VmRepl.Benchmarks.Ingest;

/// <summary>Makes the records of an ingest, in order.</summary>
internal sealed class RecordSource(IngestOptions options, byte[] pool, Random random)
{
    private ulong sequence;
    private long next;

    /// <summary>Contents, checksummed: what would have come from the wire.</summary>
    public Record[] Next(int count) => [.. Enumerable.Range(0, count).Select(_ => Contents())];

    public Record Fact(RecordKind kind) => Record.Create(new RecordHeader { Kind = kind, Sequence = ++sequence, TimeUs = TimeUs, Epoch = 1 }, default);

    public Record Bookmark()
    {
        var name = new Dictionary<string, string> { ["name"] = string.Create(CultureInfo.InvariantCulture, $"b{sequence}") };
        return Record.Create(new RecordHeader { Kind = RecordKind.Bookmark, Sequence = ++sequence, TimeUs = TimeUs, Epoch = 1, Attributes = name }, default);
    }

    private static long TimeUs => (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks / 10;

    private Record Contents()
    {
        var places = ((long)options.DiskMib << 20) / options.RecordBytes;
        var place = options.IsRandom ? random.NextInt64(places) : next++ % places;
        var from = random.Next((pool.Length - options.RecordBytes) / 512) * 512;
        return Record.Create(
            new RecordHeader { Kind = RecordKind.Write, Sequence = ++sequence, TimeUs = TimeUs, Epoch = 1, Disk = 1, Offset = place * options.RecordBytes, Length = options.RecordBytes },
            pool.AsMemory(from, options.RecordBytes));
    }
}
