using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Points;
using VmRepl.Journal.Scrub;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal;

/// <content>What a scrub asks: the segments as they are, the index against its records, and which points something damaged spoils.</content>
public sealed partial class GroupJournal
{
    // The index is looked at in slices, so that an append waits for one of them at the most.
    private const int ScrubRunsAtOnce = 2048;

    // Of the spans of points that one damaged place spoils in runs: to name each a segment is read.
    private const int SpansListedMax = 32;

    /// <summary>Serial and bytes of every segment there is, oldest first.</summary>
    /// <exception cref="StoreException">The journal has failed or is closed.</exception>
    internal List<(ulong Serial, long Bytes)> SegmentsToScrub()
    {
        ThrowIfFailed();
        lock (indexGate) return [.. segments.Select(s => (s.Serial, s.Header.SegmentBytes))];
    }

    /// <summary>
    /// A segment with what is in it at this moment, or null where it was retired; readable until it is released. One at a time: the space of what is held is not free when it is retired.
    /// </summary>
    /// <exception cref="StoreException">The journal has failed or is closed.</exception>
    internal SegmentSnapshot? HoldSegment(ulong serial)
    {
        // The writer goes on in the newest segment outside the index's lock.
        lock (writerGate)
        {
            ThrowIfFailed();
            lock (indexGate)
            {
                if (segments.Find(s => s.Serial == serial) is not { } segment) return null;
                segment.AddReader();
                return new SegmentSnapshot(segment, segment.End);
            }
        }
    }

    internal void Release(SegmentSnapshot held)
    {
        lock (indexGate) held.Segment.ReleaseReader();
    }

    /// <summary>Tells what was appended since the live images were last known to be flushed.</summary>
    internal void ForEachUnflushed(Action<uint, Extent> tell)
    {
        foreach (var (_, record) in Unflushed()) tell(record.Header.Disk, new Extent(record.Header.Offset, record.Header.Length));
    }

    /// <summary>Holds a slice of a disk's index against what must hold of it.</summary>
    /// <param name="from">First byte looked at; on return where the next slice begins, the disk's end after the last.</param>
    internal IReadOnlyList<IndexFault> CheckIndex(uint disk, ref long from)
    {
        lock (indexGate) return index.Check(disk, live[disk].Length, ref from, ScrubRunsAtOnce);
    }

    /// <summary>Why a record of the stream, read from its segment, is not in the index as it should be, or null. A record that was retired meanwhile is void.</summary>
    internal string? WhyNotIndexed(uint disk, RecordRef record)
    {
        lock (indexGate)
        {
            if (record.Number <= position.Start || index.Resolve(disk, record.Extent, record.Number) is [{ Record: { } found }] && found == record) return null;
            return $"record {record.Number} is not found by it";
        }
    }

    /// <summary>The contents that the index has of a part of a segment's records area, by disk.</summary>
    internal List<(uint Disk, RecordRef Record)> RecordsIn(ulong serial, long from, long to)
    {
        var found = new Dictionary<(uint, uint), RecordRef>();
        foreach (var disk in live.Keys)
        {
            for (long? at = 0; at is { } next;)
            {
                lock (indexGate) at = index.ForEachRecord(disk, next, ScrubRunsAtOnce, r => { if (r.Serial == serial && r.HeaderOffset >= from && r.HeaderOffset < to) found[(disk, r.HeaderOffset)] = r; });
            }
        }

        return [.. found.OrderBy(f => f.Key.Item2).Select(f => (f.Key.Item1, f.Value))];
    }

    /// <summary>The values of the group's keys in a part of a segment's records area.</summary>
    internal List<(string Key, RecordRef Value)> ValuesIn(ulong serial, long from, long to)
    {
        lock (indexGate) return [.. metadata.In(serial, from, to)];
    }

    /// <summary>The points whose view reads this record within <paramref name="part"/>.</summary>
    internal List<RecoveryPoint> PointsReading(uint disk, RecordRef record, Extent part)
    {
        PointSpans found;
        lock (indexGate) found = PointsIn(live.ContainsKey(disk) ? index.SpansReading(disk, record, part) : []);
        return Listed(found);
    }

    /// <summary>The points as of which this record holds the value of a key.</summary>
    internal List<RecoveryPoint> PointsReading(string key, RecordRef value)
    {
        PointSpans found;
        lock (indexGate) found = PointsIn(metadata.RangeOf(key, value) is { } span ? [span] : []);
        return Listed(found);
    }

    /// <summary>Under the index lock: the points within some spans of sequences.</summary>
    private PointSpans PointsIn(List<(ulong First, ulong Last)> spans) => spans.Count == 0 ? new([], []) : PointSpans.Of(points.All, points.Runs, spans);

    /// <summary>Of the points that a run has in a span, the oldest and the newest stand for all of them.</summary>
    private List<RecoveryPoint> Listed(PointSpans found)
    {
        if (found.InRuns.Count == 0) return found.Points;
        var ends = found.InRuns.Take(SpansListedMax).SelectMany(r => new[] { r.First, r.Last }).Distinct().Where(s => !found.Points.Exists(p => p.Sequence == s));
        return [.. found.Points.Concat(ends.Select(s => new RecoveryPoint(s, TimeOf(s), null, RecoveryPoint.Crash))).OrderBy(p => p.Sequence)];
    }

    /// <summary>When the newest record up to a sequence was written; where its segment is damaged, when the newest of that segment was.</summary>
    private long TimeOf(ulong sequence)
    {
        try
        {
            if (NewestRecord(sequence, long.MaxValue) is { } record) return record.TimeUs;
            lock (indexGate) return points.Runs.FirstOrDefault(r => r.Contains(sequence))?.FirstTimeUs ?? 0;
        }
        catch (Exception e) when (e is JournalDamagedException or IOException or StoreException)
        {
            lock (indexGate) return segments.Find(s => s.LastSequence >= sequence)?.LastTimeUs ?? 0;
        }
    }

    private void ThrowIfFailed()
    {
        if (Volatile.Read(ref failure) is { } cause) throw new StoreException($"{directory.Path}: the group is not open any more: {cause.Message}", "Scrub it again.");
    }
}
