using System.Globalization;
using System.Security.Cryptography;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Journal;
using VmRepl.Journal.Points;
using VmRepl.Journal.Store;
using VmRepl.JournalDriver;
using VmRepl.Protocol.Records;

// A process for the tests to kill, and one to read what is left:
//   append STORE SEED DISKBYTES SEGMENTBYTES CAPACITYBYTES RECORDS   goes on where the store ends; prints "open DURABLE", then "ack SEQUENCE" for each batch, then "done"
//   points STORE                                                     prints the sequence of every point, oldest first
//   digest STORE SEQUENCE...                                         prints "SEQUENCE SHA256" of the disk as of each of these points, read through views
const string GroupName = "vm";
const int BatchRecordsMax = 64;
return args switch
{
    ["append", var path, .. { Length: 5 } shape] => Append(path, new Workload(WorkloadShape.Parse(shape))),
    ["points", var path] => Read(path, group => group.Journal.Points.DistinctBy(p => p.Sequence).Select(p => $"{p.Sequence}")),
    ["digest", var path, .. var points] => Read(path, group => points.Select(p => $"{p} {Digest(group, ulong.Parse(p, CultureInfo.InvariantCulture))}")),
    _ => 2,
};

static int Append(string path, Workload workload)
{
    var shape = workload.Shape;
    var journal = new JournalOptions { SegmentBytes = shape.SegmentBytes, CapacityBytes = shape.CapacityBytes, FreeBytesMin = 0, CheckpointBytes = shape.CapacityBytes / 4, AgeMax = TimeSpan.FromDays(36_500) };
    using var store = ReplicaStore.OpenForWriting(new HostDirectory(path), new StoreSettings { NewGuid = Guid.NewGuid, Journal = journal });
    var group = store.Find(GroupName) ?? store.Create(new GroupDescription(GroupName, Guid.Empty, 1, [new DiskDescription(1, "sda", shape.DiskBytes, 512, "raw")]));
    var durable = group.Journal.Position.Durable;
    Console.WriteLine($"open {durable}");
    if (durable < Workload.BaselineEnd)
    {
        RecordHeader begin = new() { Kind = RecordKind.ResyncBegin, Sequence = 1, TimeUs = 1000, Epoch = 1 };
        group.Append([Record.Create(begin, default), Record.Create(begin with { Kind = RecordKind.ResyncEnd, Sequence = Workload.BaselineEnd, TimeUs = 2000 }, default)]);
        durable = Workload.BaselineEnd;
    }

    for (var size = 1; durable < workload.Last; size = (size * 7 % BatchRecordsMax) + 1)
    {
        List<Record> batch = [];
        while (batch.Count < size && durable < workload.Last) batch.Add(workload.RecordAt(++durable));
        group.Append(batch);
        Console.WriteLine($"ack {durable}");
    }

    var counters = group.Journal.Counters;
    Console.WriteLine($"done start={group.Journal.Position.Start} journal-bytes={group.Journal.SegmentBytes} undo-bytes={counters.UndoBytes} hand-down-bytes={counters.HandDownBytes} retired={counters.SegmentsRetired}");
    return 0;
}

static int Read(string path, Func<GroupStore, IEnumerable<string>> tell)
{
    using var store = ReplicaStore.OpenForReading(new HostDirectory(path), new StoreSettings { NewGuid = Guid.NewGuid });
    foreach (var line in tell(store.Get(GroupName))) Console.WriteLine(line);
    return 0;
}

static string Digest(GroupStore group, ulong sequence)
{
    using var view = group.OpenView(group.Journal.Points.First(p => p.Sequence == sequence));
    using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    using var buffer = PooledBuffer.Rent(1 << 20);
    var disk = view.Disks[1];
    for (long at = 0; at < disk.Length; at += buffer.Span.Length)
    {
        var part = buffer.Span[..(int)Math.Min(buffer.Span.Length, disk.Length - at)];
        disk.Read(at, part);
        hash.AppendData(part);
    }

    return Convert.ToHexString(hash.GetHashAndReset());
}
