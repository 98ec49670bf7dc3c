using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Index.Files;
using VmRepl.Journal.Metadata;
using VmRepl.Journal.Points;
using VmRepl.Journal.Segments;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal;

/// <content>
/// Retirement of the oldest segment. Order: what it holds that is still needed is handed down and made durable, closed by a checkpoint that names the new start and
/// the first segment needed; only then does the index forget, and the file go. A crash before the checkpoint leaves hand-downs that name a start not reached yet: they are passed over.
/// A crash after it leaves a file that the checkpoint says is not needed: it is removed at the next opening.
/// </content>
public sealed partial class GroupJournal
{
    private const long RecordOverhead = 1024;

    // The last answer of HandDownOf, and what it was asked.
    private (ulong Serial, ulong Start, ulong Durable, List<(uint Disk, ContentSource Source)> Contents)? handDown;

    /// <summary>The start of the range may not pass this: the last checkpoint, the newest point, each view. Under the index lock.</summary>
    private ulong Floor() => pins.Values.Aggregate(Math.Min(position.Checkpoint, points.Newest?.Sequence ?? position.Start), Math.Min);

    /// <summary>Retires segments as the options ask; refuses the records, before anything is written, where they would pass a limit all the same.</summary>
    private void MakeRoom(IReadOnlyList<Record> records)
    {
        long journalBytes = 0, volumeBytes = 0;
        foreach (var record in records)
        {
            var (undoBytes, undoRuns) = undo.MostFor(record.Header);
            journalBytes += Sectors.AlignUp(record.PayloadLength, SegmentLayout.PayloadAlignment) + RecordOverhead
                + undoBytes + (undoRuns * (RecordOverhead + SegmentLayout.PayloadAlignment));
            volumeBytes += record.PayloadLength;
        }

        volumeBytes += journalBytes;
        for (var attempts = segments.Count; attempts > 0 && segments.Count > 1 && Limit(journalBytes, volumeBytes) is not null; attempts--)
        {
            var oldest = segments[0];
            if (oldest.LastSequence > Position.Checkpoint && oldest.LastSequence <= Position.Applied) WriteCheckpoint();
            var start = Math.Max(Position.Start, oldest.LastSequence);
            // What is handed down is written before anything is given back: begun without room for that it would end half-way, with the volume full and the journal failed.
            if (HandDownBytes(oldest, start) > directory.FreeBytes || !TryAnnounceStart(start)) break;
            RetireOldest();
        }

        if (Limit(journalBytes, volumeBytes) is not { IsHard: true } limit) return;
        // A spare file is space as well.
        if (DropSpares() && Limit(journalBytes, volumeBytes) is not { IsHard: true }) return;
        throw new JournalFullException($"{directory.Path}: {limit.Reason}; {WhatHolds()}");
    }

    /// <summary>Notes the start that is due, unless something still needs what lies before it. From then on no view opens before it.</summary>
    private bool TryAnnounceStart(ulong start)
    {
        lock (indexGate)
        {
            if (start > Floor()) return false;
            startDue = start;
            return true;
        }
    }

    private (string Reason, bool IsHard)? Limit(long journalBytes, long volumeBytes)
    {
        var tailFree = segments.Count > 0 ? segments[^1].PayloadStart - segments[^1].RecordsEnd : 0;
        var newSegments = Math.Max(0, (journalBytes - tailFree + options.SegmentBytes - 1) / options.SegmentBytes);
        var free = directory.FreeBytes;
        if (free - volumeBytes < freeBytesMin)
            return ($"the volume has {free} bytes free, {volumeBytes} more are needed and {freeBytesMin} are kept in reserve", true);
        if ((segments.Count + newSegments) * options.SegmentBytes > options.CapacityBytes)
            return ($"the journal may take {options.CapacityBytes} bytes", true);
        if (segments.Count > 0 && segments[0].LastTimeUs < (time.GetUtcNow() - options.AgeMax - DateTimeOffset.UnixEpoch).Ticks / 10) return ("age", false);
        return null;
    }

    private string WhatHolds()
    {
        lock (indexGate)
        {
            return segments.Count > 1 && segments[0].LastSequence <= Floor() ? "to retire the oldest segment, what newer points still need of it would have to be written first, and there is no room for that"
                : pins.Count > 0 ? $"{pins.Count} open views hold what could be retired"
                : "nothing older than the newest recovery point is left to be retired";
        }
    }

    /// <summary>Most bytes that handing down the oldest segment writes.</summary>
    private long HandDownBytes(SegmentFile oldest, ulong start)
    {
        var contents = HandDownOf(oldest, start).Sum(c => RecordOverhead + (c.Source.Record!.Value.Content == RecordContent.Payload ? Sectors.AlignUp(c.Source.Range.Length, SegmentLayout.PayloadAlignment) : 0));
        lock (indexGate) return contents + metadata.Resolve(start).Sum(v => RecordOverhead + Sectors.AlignUp(v.Record.PayloadLength, SegmentLayout.PayloadAlignment)) + RecordOverhead;
    }

    /// <summary>What has to be handed down when a segment goes and the range will start at <paramref name="start"/>. Found out once for each retirement: only a record that is added changes it.</summary>
    /// <exception cref="JournalDamagedException">A commit of the segment does not verify.</exception>
    private List<(uint Disk, ContentSource Source)> HandDownOf(SegmentFile segment, ulong start)
    {
        if (handDown is { } known && known.Serial == segment.Serial && known.Start == start && known.Durable == position.Durable) return known.Contents;
        var touched = new Dictionary<uint, ExtentSet>();
        foreach (var record in segment.ReadCommits(segment.End).SelectMany(c => c.Stored))
        {
            if (IndexFact.IsFact(record.Header.Kind)) continue;
            if (!touched.TryGetValue(record.Header.Disk, out var set)) touched[record.Header.Disk] = set = new ExtentSet();
            set.Add(new Extent(record.Header.Offset, record.Header.Length));
        }

        var contents = new List<(uint, ContentSource)>();
        foreach (var (disk, set) in touched)
        {
            foreach (var extent in set.Extents)
            {
                lock (indexGate) contents.AddRange(index.HandDown(disk, extent, segment.Serial, start).Select(s => (disk, s)));
            }
        }

        handDown = (segment.Serial, start, position.Durable, contents);
        return contents;
    }

    private void RetireOldest()
    {
        try
        {
            RetireToStartDue();
        }
        catch
        {
            // The range begins where it began: what it holds can still be read, though nothing more is taken.
            lock (indexGate) startDue = position.Start;
            throw;
        }
    }

    private void RetireToStartDue()
    {
        var oldest = segments[0];
        var start = startDue;
        var contents = HandDownOf(oldest, start);
        List<StoredValue> values;
        lock (indexGate) values = [.. metadata.Resolve(start).Select(v => v.Record)];

        var handDowns = contents.SelectMany(c => HandDown(c.Disk, c.Source, oldest, start)).Concat(values.Select(v => HandDown(v, start)));
        var checkpoint = Checkpoint(Position.Checkpoint, start, segments[1].Serial);
#if SIMULATION_PLANTS
        if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.DropBeforeHandDown)) Commit([checkpoint]);
#endif
        var stored = Commit(handDowns.Append(checkpoint));

        bool recyclable;
        lock (indexGate)
        {
            // From here on what was handed down counts. No layer was frozen since it was committed (that happens between appends), so it is in the layer of the interval that its commits lie in.
            foreach (var record in stored.Where(r => r.Header.Kind == RecordKind.HandDown)) index.Growing.SetUndo(record.Header.Disk, record.Ref);
            upkeep.Drop(index.Retire(start, segments[1].Serial));
            metadata.Retire(start);
            foreach (var record in stored.Where(r => r.Header.Kind == RecordKind.Metadata)) metadata.SetBase(new StoredValue(record.Header, record.Ref));
            points.Retire(start);
            position = position with { Start = start };
            Volatile.Write(ref startNow, start);
            Volatile.Write(ref retirements, retirements + 1);
            segments.RemoveAt(0);
            recyclable = oldest.Retire();
        }

        handDown = null;
        Counters.SegmentsRetired++;
        GiveUpFile(oldest.Serial, recyclable);
    }

    private void GiveUpFile(ulong serial, bool recyclable)
    {
        var name = SegmentLayout.FileName(serial);
        if (recyclable && Spares().Count < SpareMax && directory.FreeBytes > freeBytesMin) directory.Rename(name, SegmentLayout.SparePrefix + name);
        else directory.Delete(name);
        directory.Flush();
    }

    private bool DropSpares()
    {
        var spares = Spares();
        foreach (var spare in spares) directory.Delete(spare);
        return spares.Count > 0;
    }

    private IEnumerable<Record> HandDown(uint disk, ContentSource source, SegmentFile segment, ulong start)
    {
        var record = source.Record!.Value;
        for (var at = source.Range.Offset; at < source.Range.End;)
        {
            var isPayload = record.Content == RecordContent.Payload;
            var length = isPayload ? Math.Min(pieceBytes, source.Range.End - at) : source.Range.End - at;
            var payload = isPayload ? new byte[length] : [];
            if (isPayload) segment.Read(record, new Extent(at, length), payload);
            yield return Record.Create(
                new RecordHeader { Kind = RecordKind.HandDown, Disk = disk, Offset = at, Length = length, Content = record.Content, Undoes = start }, payload);
            at += length;
        }
    }

    private Record HandDown(StoredValue value, ulong start) => Record.Create(
        new RecordHeader { Kind = RecordKind.Metadata, Undoes = start, TimeUs = value.Header.TimeUs, Attributes = value.Header.Attributes }, SegmentOf(value.Ref).ReadPayload(value.Ref));
}
