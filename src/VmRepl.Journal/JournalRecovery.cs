using VmRepl.Blocks.Files;
using VmRepl.Journal.Index;
using VmRepl.Journal.Segments;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal;

/// <summary>
/// Reads the segments of a group in order and finds where the journal ends. A commit is written only after the one before it was flushed, so at most the very last one can be torn;
/// anything else that does not verify is damage and is named, never cut away.
/// </summary>
internal sealed class JournalRecovery
{
    private const int ScanBytes = 1 << 20;

    public List<SegmentFile> Segments { get; } = [];

    /// <summary>Every record of every commit, in order.</summary>
    public List<StoredRecord> Records { get; } = [];

    public uint LastChecksum { get; private set; }

    /// <summary>Whether a torn commit was passed over at the end.</summary>
    public bool TailWasTorn { get; private set; }

    public static JournalRecovery Read(IHostDirectory directory, bool isReadOnly)
    {
        var recovery = new JournalRecovery();
        try
        {
            recovery.OpenSegments(directory, isReadOnly ? HostFileAccess.Read : HostFileAccess.ReadWrite, isReadOnly);
            recovery.ReadCommits();
            return recovery;
        }
        catch
        {
            foreach (var segment in recovery.Segments) segment.Dispose();
            throw;
        }
    }

    private void OpenSegments(IHostDirectory directory, HostFileAccess access, bool isReadOnly)
    {
        var names = directory.ListFiles().Where(n => SegmentLayout.TryParseName(n, out _)).ToList();
        for (var i = 0; i < names.Count; i++)
        {
            var segment = SegmentFile.Open(directory, names[i], access);
            if (segment is null)
            {
                if (i < names.Count - 1) throw new JournalDamagedException(Path.Combine(directory.Path, names[i]), 0, "the segment's header does not verify");
                // The last one: a crash while it was made. Nothing was written to it, for its header is flushed before its first commit.
                if (!isReadOnly) directory.Delete(names[i]);
                break;
            }

            Segments.Add(segment);
            if (!SegmentLayout.TryParseName(names[i], out var serial) || segment.Serial != serial) throw new JournalDamagedException(segment.Path, 0, $"says that it is segment {segment.Serial}");
            if (Segments.Count > 1 && Segments[^2].Serial + 1 != serial)
                throw new JournalDamagedException(directory.Path, -1, $"segment {Segments[^2].Serial + 1} is missing: {SegmentLayout.FileName(Segments[^2].Serial + 1)}");
        }
    }

    private void ReadCommits()
    {
        ulong incarnation = 0, sequence = 0;
        long timeUs = 0;
        uint? previous = null;
        for (var i = 0; i < Segments.Count; i++)
        {
            var segment = Segments[i];
            while (true)
            {
                var (recordsEnd, payloadStart) = (segment.RecordsEnd, segment.PayloadStart);
                if (segment.ReadCommit(previous, ref incarnation) is not { } commit) break;
                if (i == Segments.Count - 1 && !PayloadsVerify(commit.Stored) && !HasCommitAfter(segment, segment.RecordsEnd))
                {
                    segment.Forget(commit.Stored, recordsEnd, payloadStart);
                    TailWasTorn = true;
                    break;
                }

                previous = commit.Checksum;
                Records.AddRange(commit.Stored);
                foreach (var record in commit.Stored.Where(r => r.Sequence > 0)) (sequence, timeUs) = (record.Sequence, record.Header.TimeUs);
            }

            segment.LastSequence = sequence;
            segment.LastTimeUs = timeUs;
            // A closed segment ends where the next one's first commit says that it does; the tail, where nothing follows.
            if (i < Segments.Count - 1 && HasCommitAfter(segment, segment.RecordsEnd)) throw Damaged(segment);
            if (i == Segments.Count - 1 && !TailWasTorn && HasCommitAfter(segment, segment.RecordsEnd)) throw Damaged(segment);
            if (i > 0 && segment.CommitCount == 0 && i < Segments.Count - 1) throw Damaged(segment);
        }

        LastChecksum = previous ?? 0;
    }

    private static JournalDamagedException Damaged(SegmentFile segment) => new(segment.Path, segment.RecordsEnd,
        $"commit {segment.CommitCount} does not verify, and there are commits after it: points from sequence {segment.LastSequence + 1} on are spoiled");

    private static bool PayloadsVerify(List<StoredRecord> records)
    {
        try
        {
            foreach (var record in records.Where(r => r.PayloadLength > 0)) record.ReadPayload();
            return true;
        }
        catch (JournalDamagedException)
        {
            return false;
        }
    }

    /// <summary>Whether a whole commit of this segment stands anywhere behind <paramref name="offset"/>: then what is at the offset is damage and not a torn end.</summary>
    private static bool HasCommitAfter(SegmentFile segment, long offset)
    {
        var buffer = new byte[ScanBytes];
        for (var at = offset; at < segment.PayloadStart; at += ScanBytes)
        {
            var wanted = (int)Math.Min(ScanBytes, segment.PayloadStart - at);
            var read = segment.ReadRaw(at, buffer.AsSpan(0, wanted));
            for (var i = 0; i + SegmentLayout.FramePrefixBytes <= read; i += SegmentLayout.CommitAlignment)
            {
                if (at + i > offset && Frame.TryReadPrefix(buffer.AsSpan(i, SegmentLayout.FramePrefixBytes), SegmentLayout.CommitMagic, out _, out _) && segment.IsOwnCommit(at + i)) return true;
            }

            if (read < wanted) break;
        }

        return false;
    }
}
