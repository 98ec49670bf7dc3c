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
        // The writer adds to the newest segment's lists outside the index's lock.
        lock (writerGate)
        {
            ThrowIfFailed();
            lock (indexGate)
            {
                if (segments.Find(s => s.Serial == serial) is not { } segment) return null;
                segment.AddReader();
                return new SegmentSnapshot(segment, [.. segment.Records], [.. segment.Commits], segment.RecordsEnd);
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
        foreach (var record in segments.SelectMany(s => s.Records))
        {
            if (IsContents(record.Header.Kind) && record.Sequence > position.Checkpoint) tell(record.Header.Disk, record.Extent);
        }
    }

    /// <summary>Holds a slice of a disk's index against its records.</summary>
    /// <param name="from">First byte looked at; on return where the next slice begins, the disk's end after the last.</param>
    internal IReadOnlyList<IndexFault> CheckIndex(uint disk, ref long from)
    {
        var faults = new List<IndexFault>();
        lock (indexGate)
        {
            var left = ScrubRunsAtOnce;
            var rest = Extent.FromEnds(from, live[disk].Length);
            from = rest.End;
            long end = 0;
            foreach (var run in disks[disk].Runs(rest))
            {
                if (left-- == 0)
                {
                    from = run.Start;
                    break;
                }

                if (WhyWrong(disk, run, end) is { } reason) faults.Add(new IndexFault(run.Extent, reason));
                end = run.End;
            }
        }

        return faults;
    }

    /// <summary>The points whose view reads this record within <paramref name="part"/>; for a value of the group's keys <paramref name="part"/> does not matter.</summary>
    internal List<RecoveryPoint> PointsReading(StoredRecord record, Extent part)
    {
        var spans = new List<(ulong First, ulong Last)>();
        lock (indexGate)
        {
            if (record.Header.Kind == RecordKind.Metadata)
            {
                if (metadata.RangeOf(record) is { } span) spans.Add(span);
            }
            else if (disks.TryGetValue(record.Header.Disk, out var index))
            {
                foreach (var run in index.Runs(part)) AddSpans(run, record, spans);
            }

            return spans.Count == 0 ? [] : [.. points.All.Where(p => spans.Exists(s => p.Sequence >= s.First && p.Sequence <= s.Last))];
        }
    }

    private void ThrowIfFailed()
    {
        if (Volatile.Read(ref failure) is { } cause) throw new StoreException($"{directory.Path}: the group is not open any more: {cause.Message}", "Scrub it again.");
    }

    private void AddSpans(SectorRun run, StoredRecord record, List<(ulong First, ulong Last)> spans)
    {
        for (var i = -1; i < run.Versions.Count; i++)
        {
            if (!ReferenceEquals(i < 0 ? run.Undo : run.Versions[i], record)) continue;
            var span = (i < 0 ? position.Start : record.Sequence, i + 1 < run.Versions.Count ? run.Versions[i + 1].Sequence - 1 : ulong.MaxValue);
            // Neighbouring runs mostly have one history.
            if (!spans.Contains(span)) spans.Add(span);
        }
    }

    private string? WhyWrong(uint disk, SectorRun run, long endBefore)
    {
        if (run.Start < endBefore || run.End <= run.Start) return "the run overlaps the one before it, or is empty";
        if (run.Versions.Count == 0) return "no record names the sectors";
        if (run.Undo is null) return "the old contents were not kept";
        if (!Covers(run.Undo)) return $"the {run.Undo.Header.Kind} of sequence {run.Undo.Header.Undoes} does not cover the sectors";
        ulong before = position.Start;
        foreach (var version in run.Versions)
        {
            if (version.Sequence <= before) return $"record {version.Sequence} comes after {before}";
            if (!Covers(version)) return $"record {version.Sequence} does not cover the sectors";
            before = version.Sequence;
        }

        return null;

        bool Covers(StoredRecord record) => record.Header.Disk == disk && record.Extent.Contains(run.Extent)
            && (record.Content != RecordContent.Payload || (record.PayloadLength == record.Header.Length && record.PayloadOffset >= 0
                && record.PayloadOffset + record.PayloadLength <= record.Segment.Header.SegmentBytes));
    }
}
