using System.Globalization;
using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Points;
using VmRepl.Journal.Segments;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal;

/// <content>Opening: the index is built from the records, then the live images are brought from the last checkpoint to the journal's end.</content>
public sealed partial class GroupJournal
{
    private const int RedoPieceBytes = 1 << 20;

    private void Load(JournalRecovery recovery)
    {
        segments.AddRange(recovery.Segments);
        lastChecksum = recovery.LastChecksum;
        var checkpoint = recovery.Records.FindLast(r => r.Header.Kind == RecordKind.Checkpoint)?.Header;
        var first = recovery.Records.Find(r => r.Sequence > 0);
        // Before the first checkpoint the range starts just before the first record.
        var start = checkpoint is null ? (first?.Sequence ?? 1) - 1 : Number(checkpoint, RecordAttribute.Start);
        position = new JournalPosition(start, start, checkpoint is null ? start : Number(checkpoint, RecordAttribute.Applied), start);
        if (checkpoint is not null) DropRetired(Number(checkpoint, RecordAttribute.FirstSegment));

        foreach (var record in recovery.Records)
        {
            if (record.Segment.Serial >= segments[0].Serial) Load(record, start);
        }

        if (checkpoint?.Attributes?.GetValueOrDefault(RecordAttribute.StartConsistency) is { } consistency)
            points.AddStart(new RecoveryPoint(start, (long)Number(checkpoint, RecordAttribute.StartTimeUs), null, consistency));
        foreach (var (disk, index) in disks)
        {
            index.DropUndoWithoutVersions();
            if (index.FirstWithoutUndo() is { } run)
                throw new JournalDamagedException(directory.Path, -1, $"disk {disk}, sectors {run.Start / Sectors.Size} to {run.End / Sectors.Size}: the old contents were not kept");
        }

        position = position with { Applied = Math.Min(position.Checkpoint, position.Durable) };
    }

    private void Load(StoredRecord record, ulong start)
    {
        var header = record.Header;
        switch (header.Kind)
        {
            // An undo of a record that was retired is void; a hand-down for a start that was never reached (a crash before its checkpoint) as well.
            case RecordKind.Undo when header.Undoes > start:
            case RecordKind.HandDown when header.Undoes <= start:
                Disk(record).SetUndo(record);
                break;
            case RecordKind.Metadata when header.Sequence == 0 && header.Undoes <= start:
                metadata.SetBase(record);
                break;
            case RecordKind.Write or RecordKind.Zero or RecordKind.Punch when header.Sequence > start:
                if (header.Offset + header.Length > live[header.Disk].Length) throw new JournalDamagedException(record.Segment.Path, -1, $"record {header.Sequence} lies outside disk {header.Disk}");
                goto default;
            default:
                if (header.Sequence > start && header.Kind < RecordKind.Undo)
                {
                    _ = IsContents(header.Kind) ? Disk(record) : null;
                    Index(record);
                }

                break;
        }
    }

    private DiskIndex Disk(StoredRecord record) => disks.GetValueOrDefault(record.Header.Disk)
        ?? throw new JournalDamagedException(record.Segment.Path, -1, $"a record names disk {record.Header.Disk}, which the group does not have");

    /// <summary>Removes segments that a retirement had given up when it was cut off.</summary>
    private void DropRetired(ulong firstNeeded)
    {
        while (segments.Count > 1 && segments[0].Serial < firstNeeded)
        {
            var retired = segments[0];
            segments.RemoveAt(0);
            retired.Dispose();
            if (!isReadOnly) directory.Delete(SegmentLayout.FileName(retired.Serial));
        }
    }

    /// <summary>Applies what came after the last checkpoint. Values are absolute, so doing it twice changes nothing.</summary>
    private void Redo(JournalRecovery recovery)
    {
        foreach (var record in recovery.Records)
        {
            if (record.Sequence <= position.Checkpoint || !IsContents(record.Header.Kind)) continue;
            var disk = live[record.Header.Disk];
            switch (record.Header.Kind)
            {
                case RecordKind.Write:
                    for (var at = record.Header.Offset; at < record.Extent.End; at += RedoPieceBytes)
                    {
                        using var piece = PooledBuffer.Rent((int)Math.Min(RedoPieceBytes, record.Extent.End - at));
                        record.Read(new Extent(at, piece.Span.Length), piece.Span);
                        disk.Write(at, piece.Span);
                    }

                    break;
                case RecordKind.Zero:
                    disk.Zero(record.Header.Offset, record.Header.Length);
                    break;
                default:
                    disk.Punch(record.Header.Offset, record.Header.Length);
                    break;
            }
        }

        position = position with { Applied = position.Durable };
    }

    private static ulong Number(RecordHeader checkpoint, string attribute) =>
        checkpoint.Attributes is { } attributes && attributes.TryGetValue(attribute, out var text) && ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new JournalDamagedException("checkpoint", -1, $"has no {attribute}");
}
