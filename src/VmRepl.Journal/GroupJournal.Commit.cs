using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Index.Files;
using VmRepl.Journal.Metadata;
using VmRepl.Journal.Points;
using VmRepl.Journal.Segments;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal;

/// <content>Writing: commits into segments, the index, the live images, checkpoints.</content>
public sealed partial class GroupJournal
{
    /// <summary>Records waiting for one commit hold at most about this much payload in memory.</summary>
    private const long CommitBytesMax = 32 << 20;

    /// <summary>Commits records as they are made, in as few commits as memory and segments allow; on return all are durable and, what is handed down apart, indexed.</summary>
    /// <returns>What is handed down: it counts only when the start has moved.</returns>
    private List<StoredRecord> Commit(IEnumerable<Record> records)
    {
        var all = new List<StoredRecord>();
        var waiting = new List<Record>();
        long bytes = 0;
        foreach (var record in records)
        {
            waiting.Add(record);
            bytes += record.PayloadLength;
            if (bytes < CommitBytesMax) continue;
            CommitWaiting(waiting, all);
            waiting.Clear();
            undo.GiveBack();
            bytes = 0;
        }

        CommitWaiting(waiting, all);
        undo.GiveBack();
        return all;
    }

    private void CommitWaiting(List<Record> records, List<StoredRecord> all)
    {
        for (var next = 0; next < records.Count;)
        {
            var tail = segments.Count > 0 && !isTailOlder ? segments[^1] : Roll();
            var fitting = Fitting(tail, records, next);
            if (fitting == 0)
            {
                tail = Roll();
                fitting = Fitting(tail, records, next);
                if (fitting == 0) throw new InvalidOperationException($"{records[next]} does not fit an empty segment of {options.SegmentBytes} bytes");
            }

            var (stored, checksum) = tail.WriteCommit(records.GetRange(next, fitting), incarnation, lastChecksum, encoder, sharing);
            // The next commit may be written only when this one is durable: recovery relies on it to tell a torn tail from damage.
#if SIMULATION_PLANTS
            if (!VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.AcknowledgeBeforeFlush))
#endif
            tail.Flush();
            Counters.Commits++;
            lastChecksum = checksum;
            endsInCheckpoint = false;
            next += fitting;
            lock (indexGate)
            {
                foreach (var record in stored) Index(record, tail);
                index.Growing.Extend(new CommitPlace(tail.Serial, tail.CommitCount));
            }

            all.AddRange(stored.Where(r => IsHandedDown(r.Header)));
        }
    }

    /// <summary>How many of the records fit the segment's free space in one commit.</summary>
    private static int Fitting(SegmentFile tail, List<Record> records, int from)
    {
        long recordBytes = 0, payloadBytes = 0;
        for (var i = from; i < records.Count; i++)
        {
            var (inRecords, inPayloads) = SegmentFile.SpaceFor(records[i]);
            recordBytes += inRecords;
            payloadBytes += inPayloads;
            if (!tail.Fits(recordBytes, payloadBytes)) return i - from;
        }

        return records.Count - from;
    }

    private SegmentFile Roll()
    {
        var nowUs = (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / 10;
        var serial = segments.Count > 0 ? segments[^1].Serial + 1 : 1;
        var spare = Spares().FirstOrDefault();
        if (spare is not null) Counters.SegmentsRecycled++;
        var segment = SegmentFile.Create(directory, spare, new SegmentHeader(serial, options.NewNonce(), options.SegmentBytes, nowUs, lastChecksum), handles);
        if (segments.Count > 0)
        {
            segments[^1].Close();
            segment.LastSequence = segments[^1].LastSequence;
            segment.LastTimeUs = segments[^1].LastTimeUs;
        }

        lock (indexGate) segments.Add(segment);
        isTailOlder = false;
        return segment;
    }

    private List<string> Spares() => [.. directory.ListFiles().Where(n => n.StartsWith(SegmentLayout.SparePrefix + SegmentLayout.NamePrefix, StringComparison.Ordinal))];

    /// <summary>Under the index lock: takes a record that has just become durable into every index. What is handed down is taken when the start has moved.</summary>
    private void Index(StoredRecord record, SegmentFile segment)
    {
        var header = record.Header;
        if (IndexFact.IsFact(header.Kind)) index.Growing.AddFact(IndexFact.Of(record.Record, record.Place, record.Ref.HeaderOffset, record.Ref.PayloadOffset, newestFollowed));
        switch (header.Kind)
        {
            case RecordKind.Undo:
                Counters.UndoRecords++;
                Counters.UndoBytes += record.PayloadLength;
                index.Growing.SetUndo(header.Disk, record.Ref);
                return;
            case RecordKind.HandDown:
                Counters.HandDowns++;
                Counters.HandDownBytes += record.PayloadLength;
                return;
            case RecordKind.Checkpoint:
                Counters.Checkpoints++;
                return;
            case RecordKind.Metadata when header.Sequence == 0:
                return;
            case RecordKind.Metadata:
                metadata.AddVersion(new StoredValue(header, record.Ref));
                break;
            case RecordKind.Write or RecordKind.Zero or RecordKind.Punch:
                index.Growing.AddVersion(header.Disk, record.Ref);
                // Before it is applied: a view that reads the live image asks for this afterwards.
                touches[header.Disk].Note(new Extent(header.Offset, header.Length), header.Sequence);
                break;
            default:
                points.Observe(header);
                break;
        }

        if (PointList.IsFollowed(header.Kind)) points.Follow(newestFollowed = new RecordMoment(header.Sequence, header.TimeUs));
        segment.LastSequence = header.Sequence;
        segment.LastTimeUs = header.TimeUs;
        position = position with { Durable = header.Sequence };
    }

    private static bool IsHandedDown(RecordHeader header) => header.Kind == RecordKind.HandDown || (header.Kind == RecordKind.Metadata && header.Sequence == 0);

    private void Apply(IReadOnlyList<Record> records)
    {
        foreach (var record in records)
        {
            var header = record.Header;
            switch (header.Kind)
            {
                case RecordKind.Write:
                    // In their order: what is shared or freed may lie where the records before it wrote.
                    if (sharing.IsStored(record)) writes.Finish();
                    if (!sharing.TryApply(record)) writes.Add(record);
                    appliedSinceCheckpoint += header.Length;
                    break;
                case RecordKind.Zero:
                    writes.Finish();
                    live[header.Disk].Zero(header.Offset, header.Length);
                    break;
                case RecordKind.Punch:
                    writes.Finish();
                    live[header.Disk].Punch(header.Offset, header.Length);
                    break;
            }

            // A record of any kind is work for a recovery.
            appliedSinceCheckpoint += RecordCost;
        }

        writes.Finish();
        // A point is told of when the live images hold it, and other programs may open them then.
        if (records.Any(r => r.Header.Kind == RecordKind.ResyncEnd)) writes.Settle();
        sharing.Clear();
        if (records.Count == 0) return;
        lock (indexGate) position = position with { Applied = records[^1].Header.Sequence };
    }

    private void WriteCheckpoint()
    {
        FlushLive();
        var p = Position with { Checkpoint = Position.Applied };
        Commit([Checkpoint(p.Checkpoint, p.Start, segments[0].Serial)]);
        lock (indexGate) position = p;
        endsInCheckpoint = true;
        appliedSinceCheckpoint = 0;
    }

    /// <summary>Flushes the live images: before a checkpoint says so, and at the end of a baseline, which is not journaled.</summary>
    internal void FlushLive()
    {
        foreach (var disk in live.Values) disk.Flush();
    }

    /// <param name="firstSegment">Serial of the oldest segment that is still needed.</param>
    /// <param name="startTimeUs">When the record at the start was written, where it is one that has just become the start.</param>
    private Record Checkpoint(ulong applied, ulong start, ulong firstSegment, long startTimeUs = 0)
    {
        lock (indexGate) return new CheckpointRecord(applied, start, firstSegment, points.At(start, startTimeUs)).ToRecord();
    }
}
