using System.Diagnostics;
using System.Globalization;
using VmRepl.Benchmarks.Ingest;
using VmRepl.Blocks.Files;
using VmRepl.Journal;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Records;

namespace VmRepl.Benchmarks.Sharing;

/// <summary>
/// What shared extents save and cost: the same appends with copies, with old contents shared, and with old and new contents shared, in turn, on XFS, btrfs and ext4 in loop devices.
/// <c>VmRepl.Benchmarks sharing [DIR [ROUNDS]]</c>, as root.
/// </summary>
internal static class SharingBench
{
    private const int DiskMib = 128, CapacityMib = 320, LargeBatchBytes = 4 << 20, SmallRecords = 2048, SmallBatch = 16;

    private static readonly (string Name, bool Old, bool New)[] Ways = [("copies", false, false), ("old shared", true, false), ("old and new shared", true, true)];

    public static int Run(string[] arguments)
    {
        var directory = Path.Combine(arguments.Length > 0 ? arguments[0] : Path.GetTempPath(), $"vmrepl-sharing-{Environment.ProcessId}");
        var rounds = arguments.Length > 1 ? int.Parse(arguments[1], CultureInfo.InvariantCulture) : 3;
        Directory.CreateDirectory(directory);
        try
        {
            foreach (var fact in Machine.Describe(directory)) Console.WriteLine($"- {fact}");
            Console.WriteLine($"- disk of {DiskMib} MiB, full; every range once, in random order, {LargeBatchBytes >> 20} MiB a commit; again twice, at the capacity of {CapacityMib} MiB; then {SmallRecords} writes of 4 KiB, {SmallBatch} a commit; medians of {rounds} rounds in turn");
            Console.WriteLine("\n| volume | records | contents | append, s | device writes, MiB | space taken, MiB | again, s | small writes, s | read the live image, s |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
            foreach (var kind in new[] { "xfs", "btrfs", "ext4" })
            {
                foreach (var recordBytes in new[] { 64 << 10, 1 << 20 }) Measure(directory, kind, recordBytes, rounds);
            }

            return 0;
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static void Measure(string directory, string kind, int recordBytes, int rounds)
    {
        var ways = kind == "ext4" ? Ways[..1] : Ways;
        var found = ways.Select(_ => new List<SharingFigures>()).ToArray();
        for (var round = 0; round < rounds; round++)
        {
            for (var i = 0; i < ways.Length; i++) found[i].Add(MeasureOnce(directory, kind, recordBytes, ways[i].Old, ways[i].New));
        }

        for (var i = 0; i < ways.Length; i++)
        {
            var f = found[i];
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {kind} | {recordBytes >> 10} KiB | {ways[i].Name} | {Median(x => x.AppendSeconds):0.00} | {Median(x => x.WrittenMib):0} | {Median(x => x.TakenMib):0} | {Median(x => x.AgainSeconds):0.00} | {Median(x => x.SmallSeconds):0.00} | {Median(x => x.ReadSeconds):0.00} |"));

            double Median(Func<SharingFigures, double> of) => f.Select(of).Order().ElementAt(f.Count / 2);
        }
    }

    private static SharingFigures MeasureOnce(string directory, string kind, int recordBytes, bool sharesOld, bool sharesNew)
    {
        using var volume = new BenchVolume(directory, kind);
        var settings = new StoreSettings { NewGuid = Guid.NewGuid, Journal = new JournalOptions { FreeBytesMin = 0, CapacityBytes = (long)CapacityMib << 20, ShareOldContents = sharesOld, ShareNewContents = sharesNew } };
        double append, written, taken, again, small;
        using (var store = ReplicaStore.OpenForWriting(new HostDirectory(Path.Combine(volume.MountPoint, "store")), settings))
        {
            var group = store.Create(new GroupDescription("g", Guid.NewGuid(), 1, [new DiskDescription(1, "sda", (long)DiskMib << 20, 512, "raw")]));
            var random = new Random(1);
            var pool = new byte[17 << 20];
            random.NextBytes(pool);
            for (long at = 0; at < (long)DiskMib << 20; at += 1 << 20)
                group.ApplyBaseline([Record.Create(new RecordHeader { Kind = RecordKind.Write, Sequence = 1, Disk = 1, Offset = at, Length = 1 << 20 }, pool.AsMemory((int)(at >> 10), 1 << 20))]);
            var maker = new RecordSource(Options(recordBytes), pool, random);
            group.Append([maker.Fact(RecordKind.ResyncBegin), maker.Fact(RecordKind.ResyncEnd)]);
            group.Journal.Checkpoint();
            var (free, device) = (volume.FreeBytes, volume.WrittenBytes);

            // Every range once: all of them are touched for the first time.
            var records = maker.Next((int)(((long)DiskMib << 20) / recordBytes));
            var batches = Shuffled(records, random, group.Journal.Position.Durable).Chunk(LargeBatchBytes / recordBytes).ToList();
            append = Seconds(() => Append(group, batches));
            taken = (free - volume.FreeBytes) / 1048576.0;
            written = (volume.WrittenBytes - device) / 1048576.0;

            again = 0;
            for (var pass = 0; pass < 2; pass++)
            {
                // A point between the batches: what lies before the newest one may be retired.
                var more = Shuffled(records, random, group.Journal.Position.Durable).Chunk(LargeBatchBytes / recordBytes).Select(b => b.Append(Bookmark(b[^1].Header.Sequence)).ToArray()).ToList();
                again += Seconds(() => Append(group, more));
            }

            if (group.Journal.Counters.SegmentsRecycled == 0) throw new BenchException("no segment was used again");
            var smallRecords = new List<Record>();
            for (var i = 0; i < SmallRecords; i++) smallRecords.Add(Write(group.Journal.Position.Durable + 1 + (ulong)i, random.NextInt64(((long)DiskMib << 20) / 4096) * 4096, pool.AsMemory(i * 512, 4096)));
            small = Seconds(() => Append(group, [.. smallRecords.Chunk(SmallBatch)]));
        }

        volume.Remount();
        var live = Path.Combine(volume.MountPoint, "store", "groups", "g", "live", "sda.vhdx");
        var read = Seconds(() =>
        {
            using var file = File.OpenRead(live);
            file.CopyTo(Stream.Null, 1 << 20);
        });
        return new SharingFigures(append, written, taken, again, small, read);
    }

    private static IngestOptions Options(int recordBytes) => new("", DiskMib, true, recordBytes, 0, 0, false, 0, 0, 1);

    /// <summary>The same ranges in another order, numbered in it.</summary>
    private static IEnumerable<Record> Shuffled(Record[] records, Random random, ulong sequence)
    {
        random.Shuffle(records);
        // Every second number is left for a point.
        return [.. records.Select(r => Write(sequence += 2, r.Header.Offset, r.Payload))];
    }

    private static Record Bookmark(ulong after) => Record.Create(
        new RecordHeader
        {
            Kind = RecordKind.Bookmark,
            Sequence = after + 1,
            TimeUs = (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks / 10,
            Epoch = 1,
            Attributes = new Dictionary<string, string> { ["name"] = string.Create(CultureInfo.InvariantCulture, $"b{after}") },
        },
        default);

    private static Record Write(ulong sequence, long offset, ReadOnlyMemory<byte> payload) => Record.Create(
        new RecordHeader { Kind = RecordKind.Write, Sequence = sequence, TimeUs = (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks / 10, Epoch = 1, Disk = 1, Offset = offset, Length = payload.Length }, payload);

    private static void Append(GroupStore group, List<Record[]> batches)
    {
        foreach (var batch in batches) group.Append(batch);
        group.Journal.Checkpoint();
    }

    private static double Seconds(Action action)
    {
        var watch = Stopwatch.StartNew();
        action();
        return watch.Elapsed.TotalSeconds;
    }
}
