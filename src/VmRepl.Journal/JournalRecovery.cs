using VmRepl.Blocks.Files;
using VmRepl.Journal.Index;
using VmRepl.Journal.Segments;

namespace VmRepl.Journal;

/// <summary>
/// Reads the segments of a group in order and finds where the journal ends. A commit is written only after the one before it was flushed, so at most the very last one can be torn;
/// anything else that does not verify is damage and is named, never cut away.
/// </summary>
internal sealed class JournalRecovery
{
    public List<SegmentFile> Segments { get; } = [];

    /// <summary>Every record of every commit, in order.</summary>
    public List<StoredRecord> Records { get; } = [];

    public uint LastChecksum { get; private set; }

    /// <summary>Whether a commit was passed over at the end because not all of it is there.</summary>
    public bool TailWasTorn { get; private set; }

    public static JournalRecovery Read(IHostDirectory directory, bool isReadOnly)
    {
        var recovery = new JournalRecovery();
        try
        {
            recovery.OpenSegments(directory, isReadOnly ? HostFileAccess.Read : HostFileAccess.ReadWrite);
            recovery.ReadCommits();
            return recovery;
        }
        catch
        {
            foreach (var segment in recovery.Segments) segment.Dispose();
            throw;
        }
    }

    private void OpenSegments(IHostDirectory directory, HostFileAccess access)
    {
        foreach (var name in directory.ListFiles())
        {
            if (!SegmentLayout.TryParseName(name, out var serial)) continue;
            var segment = SegmentFile.Open(directory, name, access);
            Segments.Add(segment);
            if (segment.Serial != serial) throw new JournalDamagedException(segment.Path, 0, $"says that it is segment {segment.Serial}");
            if (Segments.Count > 1 && Segments[^2].Serial + 1 != serial)
                throw new JournalDamagedException(directory.Path, -1, $"{SegmentLayout.FileName(Segments[^2].Serial + 1)} is missing");
        }
    }

    private void ReadCommits()
    {
        ulong incarnation = 0, sequence = 0;
        long timeUs = 0;
        uint? previous = null;
        (List<StoredRecord> Stored, long RecordsEnd, long PayloadStart, uint? Previous)? last = null;
        for (var i = 0; i < Segments.Count; i++)
        {
            var segment = Segments[i];
            if (i > 0 && segment.Header.Previous != previous) throw Damaged(Segments[i - 1]);
            // The oldest segment's first commit names one that was retired; its header names the same one.
            previous ??= segment.Header.Previous;
            last = null;
            while (true)
            {
                var (recordsEnd, payloadStart, before) = (segment.RecordsEnd, segment.PayloadStart, previous);
                if (segment.ReadCommit(previous, ref incarnation) is not { } commit) break;
                last = (commit.Stored, recordsEnd, payloadStart, before);
                previous = commit.Checksum;
                Records.AddRange(commit.Stored);
                foreach (var record in commit.Stored)
                {
                    if (record.Sequence == 0) continue;
                    if (record.Sequence <= sequence) throw new JournalDamagedException(segment.Path, recordsEnd, $"record {record.Sequence} comes after record {sequence}");
                    (sequence, timeUs) = (record.Sequence, record.Header.TimeUs);
                }
            }

            segment.LastSequence = sequence;
            segment.LastTimeUs = timeUs;
            if (segment.HasCommitFurtherOn()) throw Damaged(segment);
        }

        if (last is { } tail && IsTorn(tail.Stored)) PassOver(tail.Stored, tail.RecordsEnd, tail.PayloadStart, ref previous, tail.Previous);
        LastChecksum = previous ?? 0;
    }

    /// <summary>Drops the last commit: its records verify and their payloads do not, which a crash before its flush leaves.</summary>
    private void PassOver(List<StoredRecord> stored, long recordsEnd, long payloadStart, ref uint? previous, uint? before)
    {
        var segment = Segments[^1];
        segment.Forget(stored, recordsEnd, payloadStart);
        Records.RemoveRange(Records.Count - stored.Count, stored.Count);
        previous = before;
        var newest = Records.FindLast(r => r.Sequence > 0);
        segment.LastSequence = newest?.Sequence ?? 0;
        segment.LastTimeUs = newest?.Header.TimeUs ?? 0;
        TailWasTorn = true;
    }

    private static JournalDamagedException Damaged(SegmentFile segment) => new(segment.Path, segment.RecordsEnd,
        $"commit {segment.CommitCount} does not verify, and something was written after it: points from sequence {segment.LastSequence + 1} on are spoiled");

    private static bool IsTorn(List<StoredRecord> records)
    {
#if SIMULATION_PLANTS
        if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.TrustTornTail)) return false;
#endif
        try
        {
            foreach (var record in records)
            {
                if (record.PayloadLength > 0) record.ReadPayload();
            }

            return false;
        }
        catch (JournalDamagedException)
        {
            return true;
        }
    }
}
