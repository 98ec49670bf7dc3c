using VmRepl.Journal.Points;
using VmRepl.Journal.Store;

namespace VmRepl.Journal;

/// <content>Finding the point that an administrator means. Of the records in a run only the segments' newest are in memory; which one stood at a time is read from one segment.</content>
public sealed partial class GroupJournal
{
    // A segment that is to be read may be retired just then; the start of the range is behind it after that.
    private const int LookupsMax = 4;

    /// <summary>The point that <paramref name="at"/> means: "latest", a bookmark, a sequence, or a time (the newest point at or before it).</summary>
    /// <param name="group">For messages.</param>
    /// <exception cref="StoreException">There is none.</exception>
    internal RecoveryPoint FindPoint(string group, string at)
    {
        PointChoice choice;
        lock (indexGate) choice = new PointChoice(group, [.. points.All], points.Runs, points.Resyncs, NewestRecord);
        return PointSelector.Find(choice, at);
    }

    /// <summary>
    /// The newest record of the stream up to a sequence and a time, both inclusive; null where the range has none. Times along the journal do not go back. Where a commit of its segment does not verify,
    /// the newest of which anything is known.
    /// </summary>
    internal RecordMoment? NewestRecord(ulong sequence, long timeUs)
    {
        for (var attempt = 0; attempt < LookupsMax; attempt++)
        {
            RecordMoment before = default;
            ulong? serial = null;
            lock (indexGate)
            {
                // The first segment whose newest record is too new holds the last that is not, or begins right behind it.
                var i = segments.FindIndex(s => s.LastSequence > sequence || s.LastTimeUs > timeUs);
                if (i != 0 && segments.Count > 0) before = Newest(segments[i < 0 ? ^1 : i - 1]);
                if (i >= 0) serial = segments[i].Serial;
            }

            if (serial is null) return before.Sequence > 0 ? before : null;
            if (HoldSegment(serial.Value) is not { } held) continue;
            try
            {
                // Commits that do not verify are passed over.
                foreach (var record in held.Segment.ReadCommits(held.End, notBefore: ulong.MaxValue).SelectMany(c => c.Stored).Where(r => r.Sequence > 0))
                {
                    if (record.Sequence > sequence || record.Header.TimeUs > timeUs) break;
                    before = new RecordMoment(record.Sequence, record.Header.TimeUs);
                }
            }
            catch (JournalDamagedException)
            {
                // Nothing that verifies comes behind.
            }
            finally
            {
                Release(held);
            }

            return before.Sequence > 0 ? before : null;
        }

        return null;

        static RecordMoment Newest(Segments.SegmentFile segment) => new(segment.LastSequence, segment.LastTimeUs);
    }
}
