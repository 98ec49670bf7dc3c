using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Points;
using VmRepl.Journal.Segments;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Scrub;

/// <summary>
/// Verifies segments: the header, every commit, every payload, and that the index finds every record. A running journal goes on without the commits that do not verify;
/// without an index file that covers them it could not be opened again.
/// </summary>
internal sealed class SegmentScrub(GroupStore group, ScrubFindings findings, ScrubPace pace)
{
    private const int PieceBytes = 1 << 20;
    private const int ChunkBytes = RecordLimits.ChecksumChunkBytes;

    private readonly GroupJournal journal = group.Journal;
    private readonly byte[] buffer = new byte[PieceBytes];

    public async Task RunAsync(SegmentSnapshot segment)
    {
        if (segment.Segment.WhyHeaderIsDamaged() is { } reason) findings.Add(null, 0, 0, $"{reason}; what stands in this segment may not be read any more", []);
        long payloads = 0;
        uint? previous = segment.Segment.Header.Previous;
        ulong incarnation = 0;
        var sequence = segment.SequenceBefore;
        for (var at = new SegmentCursor(SegmentLayout.HeaderBytes, segment.Segment.Header.SegmentBytes, 0); at.Commits < segment.End.Commits;)
        {
            var begin = at;
            if (TryRead(segment, ref at, previous, incarnation) is not { } commit)
            {
                at = Skip(segment, at);
                NameCommits(segment, begin, at, sequence);
                previous = null;
                await pace.SpendAsync(at.RecordsEnd - begin.RecordsEnd);
                continue;
            }

            (previous, incarnation) = (commit.Checksum, commit.Incarnation);
            await pace.SpendAsync(at.RecordsEnd - begin.RecordsEnd);
            foreach (var record in commit.Stored)
            {
                if (record.Sequence > 0) sequence = record.Sequence;
                payloads += record.PayloadLength;
                await VerifyAsync(segment.Segment, record);
            }
        }

        findings.Advance(segment.Segment.Header.SegmentBytes - payloads);
    }

    private static Commit? TryRead(SegmentSnapshot segment, ref SegmentCursor at, uint? previous, ulong incarnation)
    {
        try
        {
            if (segment.Segment.ReadCommit(at, previous, incarnation, out var end) is not { } commit) return null;
            at = end;
            return commit;
        }
        catch (Exception e) when (e is JournalDamagedException or IOException)
        {
            return null;
        }
    }

    /// <summary>The place of the next commit that verifies; the segment's end where there is none.</summary>
    private static SegmentCursor Skip(SegmentSnapshot segment, SegmentCursor at)
    {
        try
        {
            return segment.Segment.FindCommit(at.RecordsEnd + SegmentLayout.CommitAlignment, segment.End.RecordsEnd) is { } next && next.Index > at.Commits
                ? at with { RecordsEnd = next.Offset, Commits = next.Index }
                : segment.End;
        }
        catch (Exception e) when (e is JournalDamagedException or IOException)
        {
            return segment.End;
        }
    }

    /// <summary>Names what damaged commits say, as the index and the points have it: every record of theirs, by sectors and by the points that read it.</summary>
    private void NameCommits(SegmentSnapshot segment, SegmentCursor from, SegmentCursor to, ulong sequenceBefore)
    {
        var lost = to.Commits - from.Commits == 1 ? $"commit {from.Commits} does not verify" : $"commit {from.Commits} to {to.Commits - 1} do not verify";
        var where = $"{segment.Segment.Path}, offset {from.RecordsEnd}: {lost}; the group may not open again";
        var isNamed = false;
        foreach (var (disk, record) in journal.RecordsIn(segment.Segment.Serial, from.RecordsEnd, to.RecordsEnd))
        {
            if (group.Description.Disks.FirstOrDefault(d => d.Id == disk) is not { } description) continue;
            findings.Add(description.Name, record.Offset, record.Length, $"{where}; it holds {Describe(record)}", journal.PointsReading(disk, record, record.Extent));
            isNamed = true;
        }

        foreach (var (key, value) in journal.ValuesIn(segment.Segment.Serial, from.RecordsEnd, to.RecordsEnd))
        {
            findings.Add(null, 0, 0, $"{where}; it holds the value of key {key}", journal.PointsReading(key, value));
            isNamed = true;
        }

        // Which sequences stood there is known from those around it.
        var sequenceAfter = to.Commits < segment.End.Commits ? FirstSequence(segment, to) : segment.LastSequence + 1;
        var points = journal.Points.Where(p => p.Sequence > sequenceBefore && p.Sequence < sequenceAfter).ToList();
        if (!isNamed || points.Count > 0) findings.Add(null, 0, 0, where, points);
    }

    private static ulong FirstSequence(SegmentSnapshot segment, SegmentCursor at)
    {
        while (at.Commits < segment.End.Commits && TryRead(segment, ref at, null, 0) is { } commit)
        {
            if (commit.Stored.Find(r => r.Sequence > 0) is { } first) return first.Sequence;
        }

        return segment.LastSequence + 1;
    }

    private async Task VerifyAsync(SegmentFile segment, StoredRecord record)
    {
        var header = record.Header;
#if SIMULATION_PLANTS
        if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.ScrubSkipsUndo) && header.Kind == RecordKind.Undo) return;
#endif
        if (header.Content == RecordContent.Damaged) NameLost(segment, record);
        if (header.Kind is RecordKind.Write or RecordKind.Zero or RecordKind.Punch && journal.WhyNotIndexed(header.Disk, record.Ref) is { } fault)
            findings.Add(DiskOf(record)?.Name, header.Offset, header.Length, $"the index does not fit its records: {fault}", journal.Points);
        for (var at = 0; at < record.PayloadLength; at += PieceBytes)
        {
            var length = Math.Min(PieceBytes, record.PayloadLength - at);
            if (TryRead(segment, record, at, length) is not null) FindChunks(segment, record, at, length);
            findings.Advance(length);
            await pace.SpendAsync(length);
        }
    }

    /// <summary>Something in this piece does not verify: which chunks, neighbours together.</summary>
    private void FindChunks(SegmentFile segment, StoredRecord record, int at, int length)
    {
        var (from, reason) = (-1, "");
        for (var chunk = at; chunk < at + length; chunk += ChunkBytes)
        {
            var found = TryRead(segment, record, chunk, Math.Min(ChunkBytes, at + length - chunk));
            if (found is not null && from < 0) (from, reason) = (chunk, found);
            if (found is not null || from < 0) continue;
            Name(record, from, chunk, reason);
            from = -1;
        }

        if (from >= 0) Name(record, from, at + length, reason);
    }

    private void Name(StoredRecord record, int from, int to, string reason)
    {
        // A value of the group's keys is of no disk.
        if (record.Header.Kind == RecordKind.Metadata)
        {
            findings.Add(null, 0, 0, reason, journal.PointsReading(record.Header.Attributes?.GetValueOrDefault(RecordAttribute.Key) ?? "", record.Ref));
            return;
        }

        var part = new Extent(record.Header.Offset + from, to - from);
        var disk = DiskOf(record);
        findings.Add(disk?.Name, disk is null ? 0 : part.Offset, disk is null ? 0 : part.Length, reason, journal.PointsReading(record.Header.Disk, record.Ref, part));
    }

    private DiskDescription? DiskOf(StoredRecord record) => group.Description.Disks.FirstOrDefault(d => d.Id == record.Header.Disk);

    /// <summary>What was damaged when its segment was retired stays named for as long as a point reads it.</summary>
    private void NameLost(SegmentFile segment, StoredRecord record)
    {
        var isRead = record.Header.Kind == RecordKind.Metadata ? journal.PointsReading(record.Header.Attributes?.GetValueOrDefault(RecordAttribute.Key) ?? "", record.Ref).Count > 0
            : journal.PointsReading(record.Header.Disk, record.Ref, record.Ref.Extent).Count > 0;
        if (isRead) Name(record, 0, (int)record.Header.Length, $"{segment.Path}: {Describe(record.Ref)} holds the place of contents that were damaged when the segment that held them was retired");
    }

    private string? TryRead(SegmentFile segment, StoredRecord record, int at, int length)
    {
        try
        {
            segment.Read(record.Ref, new Extent(record.Header.Offset + at, length), buffer.AsSpan(0, length));
            return null;
        }
        catch (JournalDamagedException e)
        {
            return e.Message;
        }
        catch (IOException e)
        {
            return $"{segment.Path}, offset {record.Ref.PayloadOffset + at}: the payload of {Describe(record.Ref)} cannot be read: {e.Message}";
        }
    }

    private static string Describe(in RecordRef record) => record.IsVersion ? $"{record.Kind} {record.Number}" : $"a {record.Kind} of sequence {record.Number}";
}
