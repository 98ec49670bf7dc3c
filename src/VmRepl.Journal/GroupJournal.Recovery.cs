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
        Counters.TailWasTorn = recovery.TailWasTorn;
        var checkpoint = recovery.Records.FindLast(r => r.Header.Kind == RecordKind.Checkpoint) is { } found ? CheckpointRecord.Read(found) : null;
        var first = recovery.Records.Find(r => r.Sequence > 0);
        // Before the first checkpoint the range starts just before the first record.
        var start = checkpoint?.Start ?? (first?.Sequence ?? 1) - 1;
        position = new JournalPosition(start, start, checkpoint?.Applied ?? start, start);
        if (segments.Count > 0) DropRetired(checkpoint?.FirstSegment ?? 1);

        // It goes first: bookmarks in the range may name it.
        if (checkpoint?.StartPoint is { } point) points.AddStart(point);
        foreach (var record in recovery.Records)
        {
            if (record.Segment.Serial >= segments[0].Serial) Load(record, start);
        }

        foreach (var (disk, index) in disks)
        {
            index.DropUndoWithoutVersions();
            if (index.FirstWithoutUndo() is { } run)
                throw new JournalDamagedException(directory.Path, -1, $"disk {disk}, sectors {run.Start / Sectors.Size} to {run.End / Sectors.Size}: the old contents were not kept");
        }

        if (position.Checkpoint > position.Durable)
            throw new JournalDamagedException(directory.Path, -1, $"a checkpoint speaks of record {position.Checkpoint}, and the newest that is here is {position.Durable}");
        position = position with { Applied = position.Checkpoint };
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
            // All keys are handed down at each start, so only those of the present one count: a key deleted since would come back otherwise.
            case RecordKind.Metadata when header.Sequence == 0:
                if (header.Undoes == start) metadata.SetBase(record);
                break;
            default:
                if (header.Sequence <= start || header.Kind >= RecordKind.Undo) break;
                if (IsContents(header.Kind)) Disk(record);
                Index(record);
                break;
        }
    }

    /// <summary>The index of the disk that the record speaks of.</summary>
    private DiskIndex Disk(StoredRecord record)
    {
        var header = record.Header;
        if (!disks.TryGetValue(header.Disk, out var index)) throw new JournalDamagedException(record.Segment.Path, -1, $"a record names disk {header.Disk}, which the group does not have");
        if (record.Extent.End > live[header.Disk].Length)
            throw new JournalDamagedException(record.Segment.Path, -1, $"a record of kind {header.Kind} lies outside disk {header.Disk}: {header.Length} bytes at {header.Offset}");
        return index;
    }

    /// <summary>Takes away the segments that a retirement had given up when it was cut off.</summary>
    private void DropRetired(ulong firstNeeded)
    {
        // The checkpoint that gives them up may have been left unflushed by a process that was killed: were a loss of power to take it now, they would still be needed (simulation, seed 233).
#if SIMULATION_PLANTS
        if (!isReadOnly && segments.Count > 1 && segments[0].Serial < firstNeeded && !VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.DropOnUnflushedWord))
#else
        if (!isReadOnly && segments.Count > 1 && segments[0].Serial < firstNeeded)
#endif
        {
            segments[^1].Flush();
            directory.Flush();
        }

        while (segments.Count > 1 && segments[0].Serial < firstNeeded)
        {
            var retired = segments[0];
            segments.RemoveAt(0);
            retired.Dispose();
            if (isReadOnly) continue;
            directory.Delete(SegmentLayout.FileName(retired.Serial));
            // Before the next one goes: of two names given up together a crash may keep the older, and a gap in the names would look like damage.
            directory.Flush();
        }

        if (segments[0].Serial != firstNeeded) throw new JournalDamagedException(directory.Path, -1, $"{SegmentLayout.FileName(firstNeeded)} is missing");
    }

    /// <summary>
    /// Makes what was read count: flushed, since a process that was killed may have left it unflushed and what is reported from now on must be durable;
    /// and applied to the live images.
    /// </summary>
    private void BringUp(JournalRecovery recovery)
    {
        if (segments.Count > 0)
        {
            segments[^1].Settle(recovery.TailWasTorn);
            directory.Flush();
        }

        Redo(recovery);
    }

    /// <summary>Applies what came after the last checkpoint. Values are absolute, so doing it twice changes nothing.</summary>
    private void Redo(JournalRecovery recovery)
    {
        foreach (var record in recovery.Records)
        {
            if (record.Sequence <= position.Checkpoint || !IsContents(record.Header.Kind)) continue;
            var disk = live[record.Header.Disk];
            Counters.RecordsRedone++;
            switch (record.Header.Kind)
            {
                case RecordKind.Write:
                    appliedSinceCheckpoint += record.Header.Length;
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

    private static bool IsContents(RecordKind kind) => kind is RecordKind.Write or RecordKind.Zero or RecordKind.Punch;
}
