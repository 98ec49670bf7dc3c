extern alias simulation;
using simulation::VmRepl.Simulation.Storage;
using VmRepl.Blocks;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Space;

/// <summary>One group with one disk that is full of data, written by a pattern, and what its journal takes for that. In memory: what is measured is space and reads, not time.</summary>
internal sealed class SpaceRun : IDisposable
{
    private readonly GroupStore group;
    private readonly long diskBytes;
    private readonly List<(ulong Sequence, Extent Extent)> written = [];
    private ulong sequence = 2;

    public SpaceRun(long diskBytes, long capacityBytes, long segmentBytes)
    {
        this.diskBytes = diskBytes;
        var options = new JournalOptions { SegmentBytes = segmentBytes, CapacityBytes = capacityBytes, FreeBytesMin = 0, AgeMax = TimeSpan.FromDays(36_500), CheckpointBytes = 4 << 20 };
        group = GroupStore.Create(new SimulatedVolume(1, 8L << 30).Directory("group"), new GroupDescription("g", Guid.Empty, 1, [new DiskDescription(1, "sda", diskBytes, 512, "raw")]),
            new StoreSettings { NewGuid = Guid.NewGuid, Journal = options }, 1);
        var data = new byte[1 << 20];
        Array.Fill(data, (byte)0x5A);
        for (long at = 0; at < diskBytes; at += data.Length) group.ApplyBaseline([Write(1, new Extent(at, data.Length), data)]);
        group.Append([Fact(RecordKind.ResyncBegin, 1), Fact(RecordKind.ResyncEnd, 2)]);
    }


    public long Writes => written.Count;

    /// <summary>Bytes of all segments' files, free space in them included.</summary>
    public long JournalBytes => group.Journal.SegmentBytes;

    /// <summary>N: bytes written in the recovery range.</summary>
    public long RangeBytes { get; private set; }

    /// <summary>k: distinct bytes among them.</summary>
    public long DistinctBytes { get; private set; }

    /// <summary>Records of old contents read from the live image for each write; a write that needs several counts for each.</summary>
    public double ReadsPerWrite { get; private set; }

    public long Retired => group.Journal.Counters.SegmentsRetired;

    public long HandDownBytes => group.Journal.Counters.HandDownBytes;

    /// <summary>Bytes of copies that had become void and were given back within their segments.</summary>
    public long VoidBytes => group.Journal.Counters.VoidBytes;

    /// <summary>Writes so many bytes in batches; every batch ends in a bookmark if asked for, so that the newest point keeps up and segments may be retired.</summary>
    public void Write(WritePattern pattern, long bytes, int recordsPerBatch)
    {
        var before = group.Journal.Counters.Copy();
        var writesBefore = written.Count;
        for (long done = 0, batches = 0; done < bytes; batches++)
        {
            List<Record> batch = [];
            for (var i = 0; i < recordsPerBatch; i++)
            {
                var extent = pattern.Next();
                var payload = new byte[extent.Length];
                payload.AsSpan().Fill((byte)sequence);
                batch.Add(Write(++sequence, extent, payload));
                written.Add((sequence, extent));
                done += extent.Length;
            }

            // A point now and then, so that there is something for the range to start at.
            if (batches % 8 == 7) batch.Add(Fact(RecordKind.Bookmark, ++sequence));
            group.Append(batch);
        }

        ReadsPerWrite = (double)(group.Journal.Counters.UndoRecords - before.UndoRecords) / (written.Count - writesBefore);
        Measure();
    }

    public void Dispose() => group.Dispose();

    private void Measure()
    {
        var touched = new System.Collections.BitArray((int)(diskBytes / Sectors.Size));
        (RangeBytes, DistinctBytes) = (0, 0);
        foreach (var (_, extent) in written.Where(w => w.Sequence > group.Journal.Position.Start))
        {
            RangeBytes += extent.Length;
            for (var sector = extent.Offset / Sectors.Size; sector < extent.End / Sectors.Size; sector++)
            {
                if (touched[(int)sector]) continue;
                touched[(int)sector] = true;
                DistinctBytes += Sectors.Size;
            }
        }
    }

    private static Record Write(ulong sequence, Extent extent, byte[] payload) => Record.Create(
        new RecordHeader { Kind = RecordKind.Write, Sequence = sequence, TimeUs = (long)sequence, Epoch = 1, Disk = 1, Offset = extent.Offset, Length = extent.Length }, payload);

    private static Record Fact(RecordKind kind, ulong sequence) => Record.Create(
        new RecordHeader { Kind = kind, Sequence = sequence, TimeUs = (long)sequence, Epoch = 1, Attributes = kind == RecordKind.Bookmark ? new Dictionary<string, string> { ["name"] = $"b{sequence}" } : null }, default);
}
