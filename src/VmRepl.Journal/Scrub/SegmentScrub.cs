using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Scrub;

/// <summary>Verifies segments: the header, every commit, every payload. A running journal has the former in memory and goes on; it could not be opened again.</summary>
internal sealed class SegmentScrub(GroupStore group, ScrubFindings findings, ScrubPace pace)
{
    private const int PieceBytes = 1 << 20;
    private const int ChunkBytes = RecordLimits.ChecksumChunkBytes;

    private readonly GroupJournal journal = group.Journal;
    private readonly byte[] buffer = new byte[PieceBytes];

    public async Task RunAsync(SegmentSnapshot segment)
    {
        if (segment.Segment.WhyHeaderIsDamaged() is { } reason) findings.Add(null, 0, 0, $"{reason}; the group will not open again", []);
        await VerifyCommitsAsync(segment);
        foreach (var record in segment.Records)
        {
#if SIMULATION_PLANTS
            if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.ScrubSkipsUndo) && record.Header.Kind == RecordKind.Undo) continue;
#endif
            if (record.PayloadLength > 0) await VerifyPayloadAsync(record);
            else if (record.Header.Content == RecordContent.Damaged) NameLost(record);
        }

        findings.Advance(segment.Segment.Header.SegmentBytes - segment.Records.Sum(r => (long)r.PayloadLength));
    }

    private async Task VerifyCommitsAsync(SegmentSnapshot segment)
    {
        for (var i = 0; i < segment.Commits.Length; i++)
        {
            var (offset, firstRecord) = segment.Commits[i];
            var isLast = i + 1 == segment.Commits.Length;
            var end = isLast ? segment.RecordsEnd : segment.Commits[i + 1].Offset;
            if (!Verifies(segment, i, offset, end))
                Name(segment, offset, i, segment.Records.AsSpan(firstRecord..(isLast ? segment.Records.Length : segment.Commits[i + 1].FirstRecord)));
            await pace.SpendAsync(end - offset);
        }
    }

    private static bool Verifies(SegmentSnapshot segment, int index, long offset, long end)
    {
        try
        {
            return segment.Segment.VerifyCommit((uint)index, offset, end);
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>Names what a damaged commit says: every record of it, by sectors and by the points that read it.</summary>
    private void Name(SegmentSnapshot segment, long offset, int index, ReadOnlySpan<StoredRecord> records)
    {
        var where = $"{segment.Segment.Path}, offset {offset}: commit {index} does not verify; the group will not open again";
        var facts = new HashSet<ulong>();
        var isNamed = false;
        foreach (var record in records)
        {
            if (record.Sequence > 0) facts.Add(record.Sequence);
            if (group.Description.Disks.FirstOrDefault(d => d.Id == record.Header.Disk) is not { } disk || record.Header.Length == 0) continue;
            findings.Add(disk.Name, record.Header.Offset, record.Header.Length, $"{where}; it holds {Describe(record)}", journal.PointsReading(record, record.Extent));
            isNamed = true;
        }

        var points = journal.Points.Where(p => facts.Contains(p.Sequence)).ToList();
        if (!isNamed || points.Count > 0) findings.Add(null, 0, 0, where, points);
    }

    private async Task VerifyPayloadAsync(StoredRecord record)
    {
        for (var at = 0; at < record.PayloadLength; at += PieceBytes)
        {
            var length = Math.Min(PieceBytes, record.PayloadLength - at);
            if (TryRead(record, at, length) is not null) FindChunks(record, at, length);
            findings.Advance(length);
            await pace.SpendAsync(length);
        }
    }

    /// <summary>Something in this piece does not verify: which chunks, neighbours together.</summary>
    private void FindChunks(StoredRecord record, int at, int length)
    {
        var (from, reason) = (-1, "");
        for (var chunk = at; chunk < at + length; chunk += ChunkBytes)
        {
            var found = TryRead(record, chunk, Math.Min(ChunkBytes, at + length - chunk));
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
        var disk = record.Header.Kind == RecordKind.Metadata ? null : group.Description.Disks.FirstOrDefault(d => d.Id == record.Header.Disk);
        var part = new Extent(record.Header.Offset + from, to - from);
        findings.Add(disk?.Name, disk is null ? 0 : part.Offset, disk is null ? 0 : part.Length, reason, journal.PointsReading(record, part));
    }

    /// <summary>What was damaged when its segment was retired stays named for as long as a point reads it.</summary>
    private void NameLost(StoredRecord record)
    {
        if (journal.PointsReading(record, record.Extent).Count > 0)
            Name(record, 0, (int)record.Header.Length, $"{record.Segment.Path}: {Describe(record)} holds the place of contents that were damaged when the segment that held them was retired");
    }

    private string? TryRead(StoredRecord record, int at, int length)
    {
        try
        {
            record.Read(new Extent(record.Header.Offset + at, length), buffer.AsSpan(0, length));
            return null;
        }
        catch (JournalDamagedException e)
        {
            return e.Message;
        }
        catch (IOException e)
        {
            return $"{record.Segment.Path}, offset {record.PayloadOffset + at}: the payload of {Describe(record)} cannot be read: {e.Message}";
        }
    }

    private static string Describe(StoredRecord record) =>
        record.Sequence == 0 ? $"a {record.Header.Kind} of sequence {record.Header.Undoes}" : $"{record.Header.Kind} {record.Sequence}";
}
