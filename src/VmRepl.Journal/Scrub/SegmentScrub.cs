using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Points;
using VmRepl.Journal.Segments;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Scrub;

/// <summary>
/// Verifies segments: the header, every commit, every payload, and that the index finds every record. The points named are those that cannot be read any more, by the index that there is.
/// </summary>
internal sealed class SegmentScrub(GroupStore group, ScrubFindings findings, ScrubPace pace)
{
    private const int PieceBytes = 1 << 20;
    private const int ChunkBytes = RecordLimits.ChecksumChunkBytes;

    private readonly GroupJournal journal = group.Journal;
    private readonly byte[] buffer = new byte[PieceBytes];

    public async Task RunAsync(SegmentSnapshot segment)
    {
        if (segment.Segment.WhyHeaderIsDamaged() is { } reason) findings.Add(null, 0, 0, $"{reason}; what stands in this segment is found without it", []);
        long payloads = 0;
        uint? previous = segment.Segment.Header.Previous;
        ulong incarnation = 0;
        for (var at = new SegmentCursor(SegmentLayout.HeaderBytes, segment.Segment.Header.SegmentBytes, 0); at.Commits < segment.End.Commits;)
        {
            var begin = at;
            if ((TryRead(segment, ref at, previous, incarnation) ?? TryMend(segment, ref at, previous, incarnation)) is not { } commit)
            {
                at = Skip(segment, at);
                NameCommits(segment, begin, at);
                previous = null;
                await pace.SpendAsync(at.RecordsEnd - begin.RecordsEnd);
                continue;
            }

            (previous, incarnation) = (commit.Checksum, commit.Incarnation);
            await pace.SpendAsync(at.RecordsEnd - begin.RecordsEnd);
            foreach (var record in commit.Stored)
            {
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

    /// <summary>The commit at this place, named as damaged, where one flipped bit is all that ails it: what it holds is had, and its payloads are looked at as any others.</summary>
    private Commit? TryMend(SegmentSnapshot segment, ref SegmentCursor at, uint? previous, ulong incarnation)
    {
        try
        {
            if (segment.Segment.Mend(at, previous, incarnation, out var end) is not { } commit) return null;
            findings.Add(null, 0, 0, $"{segment.Segment.Path}, offset {at.RecordsEnd}: commit {at.Commits} has one bit flipped; it is read as it was written", []);
            at = end;
            return commit;
        }
        catch (IOException)
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

    /// <summary>
    /// Names what cannot be read any more of what damaged commits hold, as the index has it, by sectors and points; and the commits themselves, since it is the index alone that still knows of the rest
    /// where one of a commit's records does not verify.
    /// </summary>
    private void NameCommits(SegmentSnapshot segment, SegmentCursor from, SegmentCursor to)
    {
        var lost = to.Commits - from.Commits == 1 ? $"commit {from.Commits} does not verify" : $"commit {from.Commits} to {to.Commits - 1} do not verify";
        var where = $"{segment.Segment.Path}, offset {from.RecordsEnd}: {lost}";
        segment.Segment.ForgetChecksums();
        foreach (var (disk, record) in journal.RecordsIn(segment.Segment.Serial, from.RecordsEnd, to.RecordsEnd))
        {
            foreach (var (at, length) in Pieces(disk, record)) FindChunks(segment.Segment, disk, record, at, length, null, where + "; ");
        }

        foreach (var (key, value) in journal.ValuesIn(segment.Segment.Serial, from.RecordsEnd, to.RecordsEnd))
        {
            if (TryRead(segment.Segment, value, 0, value.PayloadLength) is { } reason) findings.Add(null, 0, 0, $"{where}; {reason}", journal.PointsReading(key, value));
        }

        findings.Add(null, 0, 0, $"{where}; what it holds and is not named is read by the index, and the group may not open again once that is lost too", []);
    }

    private async Task VerifyAsync(SegmentFile segment, StoredRecord record)
    {
        var header = record.Header;
#if SIMULATION_PLANTS
        if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.ScrubSkipsUndo) && header.Kind == RecordKind.Undo) return;
#endif
        if (header.Content == RecordContent.Damaged) NameLost(segment, record);
        if (header.Kind is RecordKind.Write or RecordKind.Zero or RecordKind.Punch && journal.WhyNotIndexed(header.Disk, record.Ref) is { } fault)
            findings.Add(DiskOf(header.Disk)?.Name, header.Offset, header.Length, $"the index does not fit its records: {fault}", journal.PointsListed);
        var looked = 0;
        foreach (var (at, length) in Pieces(header.Disk, record.Ref))
        {
            if (TryRead(segment, record.Ref, at, length) is not null) FindChunks(segment, header.Disk, record.Ref, at, length, KeyOf(header), "");
            looked += length;
            findings.Advance(length);
            await pace.SpendAsync(length);
        }

        findings.Advance(record.PayloadLength - looked);
    }

    /// <summary>The payload in pieces of whole chunks. Of a hand-down only those of which something is needed: the others may have been given back.</summary>
    private List<(int At, int Length)> Pieces(uint disk, RecordRef record)
    {
        List<Extent> parts = record.Kind == RecordKind.HandDown && record.PayloadLength > 0 ? journal.NeededParts(disk, record) : [new Extent(record.Offset, record.PayloadLength)];
        var pieces = new List<(int, int)>();
        long done = 0;
        foreach (var part in parts)
        {
            var from = Math.Max(done, Sectors.AlignDown(part.Offset - record.Offset, ChunkBytes));
            done = Math.Min(record.PayloadLength, Sectors.AlignUp(part.End - record.Offset, ChunkBytes));
            for (; from < done; from += PieceBytes) pieces.Add(((int)from, (int)Math.Min(PieceBytes, done - from)));
        }

        return pieces;
    }

    /// <summary>Names the chunks of this piece that do not verify, neighbours together.</summary>
    /// <param name="key">Of a value of the group's keys.</param>
    private void FindChunks(SegmentFile segment, uint disk, in RecordRef record, int at, int length, string? key, string because)
    {
        var (from, reason) = (-1, "");
        for (var chunk = at; chunk < at + length; chunk += ChunkBytes)
        {
            var found = TryRead(segment, record, chunk, Math.Min(ChunkBytes, at + length - chunk));
            if (found is not null && from < 0) (from, reason) = (chunk, found);
            if (found is not null || from < 0) continue;
            Name(disk, record, from, chunk, key, because + reason);
            from = -1;
        }

        if (from >= 0) Name(disk, record, from, at + length, key, because + reason);
    }

    private void Name(uint disk, in RecordRef record, int from, int to, string? key, string reason)
    {
        // A value of the group's keys is of no disk.
        if (record.Kind == RecordKind.Metadata)
        {
            findings.Add(null, 0, 0, reason, journal.PointsReading(key ?? "", record));
            return;
        }

        var part = new Extent(record.Offset + from, to - from);
        var description = DiskOf(disk);
        findings.Add(description?.Name, description is null ? 0 : part.Offset, description is null ? 0 : part.Length, reason, journal.PointsReading(disk, record, part));
    }

    private static string? KeyOf(RecordHeader header) => header.Attributes?.GetValueOrDefault(RecordAttribute.Key);

    private DiskDescription? DiskOf(uint disk) => group.Description.Disks.FirstOrDefault(d => d.Id == disk);

    /// <summary>What was damaged when its segment was retired stays named for as long as a point reads it.</summary>
    private void NameLost(SegmentFile segment, StoredRecord record)
    {
        var isRead = record.Header.Kind == RecordKind.Metadata ? journal.PointsReading(KeyOf(record.Header) ?? "", record.Ref).Count > 0
            : journal.PointsReading(record.Header.Disk, record.Ref, record.Ref.Extent).Count > 0;
        if (isRead) Name(record.Header.Disk, record.Ref, 0, (int)record.Header.Length, KeyOf(record.Header), $"{segment.Path}: {Describe(record.Ref)} holds the place of contents that were damaged when the segment that held them was retired");
    }

    private string? TryRead(SegmentFile segment, in RecordRef record, int at, int length)
    {
        try
        {
            segment.Read(record, new Extent(record.Offset + at, length), buffer.AsSpan(0, length));
            return null;
        }
        catch (JournalDamagedException e)
        {
            return e.Message;
        }
        catch (IOException e)
        {
            return $"{segment.Path}, offset {record.PayloadOffset + at}: the payload of {Describe(record)} cannot be read: {e.Message}";
        }
    }

    private static string Describe(in RecordRef record) => record.IsVersion ? $"{record.Kind} {record.Number}" : $"a {record.Kind} of sequence {record.Number}";
}
