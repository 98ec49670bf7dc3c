using VmRepl.Blocks.Files;
using VmRepl.Journal.Index;
using VmRepl.Journal.Index.Files;
using VmRepl.Journal.Segments;

namespace VmRepl.Journal;

/// <summary>
/// Reads the segments of a group in order and finds where the journal ends. A commit is written only after the one before it was flushed, so at most the very last one can be torn;
/// anything else that does not verify is damage and is named, never cut away. What an index covers is not read.
/// </summary>
internal sealed class JournalRecovery
{
    private readonly Action<Commit, IReadOnlyList<SegmentFile>> take;
    private ulong sequence;
    private long timeUs;

    private JournalRecovery(Action<Commit, IReadOnlyList<SegmentFile>> take) => this.take = take;

    public List<SegmentFile> Segments { get; } = [];

    public uint LastChecksum { get; private set; }

    /// <summary>The last commit that was read and counts; null where an index covers it. It keeps the commit's memory.</summary>
    public Commit? Last { get; private set; }

    /// <summary>Commits in which one bit was flipped.</summary>
    public long Mended { get; private set; }

    /// <summary>Whether a commit was passed over at the end because not all of it is there.</summary>
    public bool TailWasTorn { get; private set; }

    /// <param name="covered">What an index says of the segments up to the place from which on commits are read; empty where there is none.</param>
    /// <param name="take">Told each commit that counts, in order, and all segments; when a segment's first commit comes, those before it are complete.</param>
    /// <exception cref="JournalDamagedException">Something that is read does not verify, or a segment is missing or cut off.</exception>
    public static JournalRecovery Read(IHostDirectory directory, bool isReadOnly, IReadOnlyList<CoveredSegment> covered, SegmentHandles handles, Action<Commit, IReadOnlyList<SegmentFile>> take)
    {
        var recovery = new JournalRecovery(take);
        try
        {
            recovery.OpenSegments(directory, isReadOnly ? HostFileAccess.Read : HostFileAccess.ReadWrite, covered, handles);
            recovery.ReadCommits(covered.Count > 0 ? covered[^1] : null);
            return recovery;
        }
        catch
        {
            foreach (var segment in recovery.Segments) segment.Dispose();
            throw;
        }
    }

    private void OpenSegments(IHostDirectory directory, HostFileAccess access, IReadOnlyList<CoveredSegment> covered, SegmentHandles handles)
    {
        var known = covered.ToDictionary(c => c.Serial);
        foreach (var name in directory.ListFiles())
        {
            if (!SegmentLayout.TryParseName(name, out var serial)) continue;
            var segment = known.TryGetValue(serial, out var says) ? Known(directory, name, access, says, handles) : SegmentFile.Open(directory, name, access, handles);
            Segments.Add(segment);
            if (segment.Serial != serial) throw new JournalDamagedException(segment.Path, 0, $"says that it is segment {segment.Serial}");
            if (Segments.Count > 1 && Segments[^2].Serial + 1 != serial)
                throw new JournalDamagedException(directory.Path, -1, $"{SegmentLayout.FileName(Segments[^2].Serial + 1)} is missing");
            // One at a time is written, and which one that is is known at the end.
            if (Segments.Count > 1) Segments[^2].Close();
        }
    }

    private static SegmentFile Known(IHostDirectory directory, string name, HostFileAccess access, CoveredSegment says, SegmentHandles handles)
    {
        using (var file = directory.Open(name, access))
        {
            if (file.Length < says.Header.SegmentBytes)
                throw new JournalDamagedException(file.Path, file.Length, $"the segment was cut off: it has {file.Length} bytes, and the index says that it has {says.Header.SegmentBytes}");
        }

        var segment = SegmentFile.Known(directory, access, says.Header, new SegmentCursor(says.RecordsEnd, says.PayloadStart, says.Commits), says.LastChecksum, says.Incarnation, handles);
        segment.LastSequence = says.LastSequence;
        segment.LastTimeUs = says.LastTimeUs;
        return segment;
    }

    private void ReadCommits(CoveredSegment? behind)
    {
        var incarnation = behind?.Incarnation ?? 0;
        var previous = behind?.LastChecksum;
        (sequence, timeUs) = (behind?.LastSequence ?? 0, behind?.LastTimeUs ?? 0);
        Commit? last = null;
        uint beforeLast = 0;
        for (var i = 0; i < Segments.Count; i++)
        {
            var segment = Segments[i];
            if (behind is not null && segment.Serial < behind.Serial) continue;
            if (segment.CommitCount == 0)
            {
                if (i > 0 && segment.Header.Previous != previous) throw Damaged(Segments[i - 1]);
                // The oldest segment's first commit names one that was retired; its header names the same one.
                previous ??= segment.Header.Previous;
            }

            if (last is not null) Take(last);
            last = null;
            (segment.LastSequence, segment.LastTimeUs) = (sequence, timeUs);
            while (true)
            {
                var before = previous;
                var commit = segment.ReadCommit(previous, ref incarnation);
                if (commit is null && (commit = segment.Mend(previous, ref incarnation)) is not null) Mended++;
                if (commit is null && !IsEnd(i, previous))
                {
                    commit = segment.Salvage(incarnation, i + 1 < Segments.Count ? Segments[i + 1].Header.Previous : null);
                    if (commit is null && last is not null) Take(last);
                    if (commit is null) throw Damaged(segment);
                }

                if (commit is null) break;
                if (last is not null) Take(last);
                (Last, last, beforeLast, previous) = (last, commit, before ?? 0, commit.Checksum);
            }
        }

        LastChecksum = previous ?? 0;
        if (last is null) return;
        if (!IsTorn(last))
        {
            Take(last);
            Last = last;
            return;
        }

        // Its records verify and their payloads do not, which a crash before its flush leaves.
        Segments[^1].Forget(last, beforeLast);
        LastChecksum = beforeLast;
        TailWasTorn = true;
    }

    /// <summary>Whether a segment's commits end where none verifies: the next segment says so, or nothing of the last one stands further on.</summary>
    private bool IsEnd(int at, uint? previous) => at + 1 < Segments.Count ? Segments[at + 1].Header.Previous == (previous ?? Segments[at].Header.Previous) : !Segments[at].HasCommitFurtherOn();

    private void Take(Commit commit)
    {
        var segment = Segments[(int)(commit.Serial - Segments[0].Serial)];
        foreach (var record in commit.Stored)
        {
            if (record.Sequence == 0) continue;
            if (record.Sequence <= sequence) throw new JournalDamagedException(segment.Path, commit.Before.RecordsEnd, $"record {record.Sequence} comes after record {sequence}");
            (sequence, timeUs) = (record.Sequence, record.Header.TimeUs);
        }

        (segment.LastSequence, segment.LastTimeUs) = (sequence, timeUs);
        take(commit, Segments);
    }

    private static JournalDamagedException Damaged(SegmentFile segment) => new(segment.Path, segment.RecordsEnd,
        $"commit {segment.CommitCount} does not verify, and something was written after it: points from sequence {segment.LastSequence + 1} on are spoiled");

    private bool IsTorn(Commit commit)
    {
#if SIMULATION_PLANTS
        if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.TrustTornTail)) return false;
#endif
        try
        {
            foreach (var record in commit.Stored)
            {
                if (record.PayloadLength > 0) Segments[^1].ReadPayload(record.Ref);
            }

            return false;
        }
        catch (JournalDamagedException)
        {
            return true;
        }
    }
}
