using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Index.Files;
using VmRepl.Journal.Limits;
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
    // The last answer of HandDownOf, and what it was asked.
    private (ulong Serial, ulong Start, ulong Durable, List<(uint Disk, ContentSource Source)> Contents, Dictionary<uint, ExtentSet> Touched)? handDown;

    /// <summary>Most bytes that handing down the oldest segment writes.</summary>
    private long HandDownBytes(SegmentFile oldest, ulong start)
    {
        var contents = HandDownOf(oldest, start).Sum(c => RecordOverhead + (c.Source.Record!.Value.Content == RecordContent.Payload ? Sectors.AlignUp(c.Source.Range.Length, SegmentLayout.PayloadAlignment) : 0));
        lock (indexGate) return contents + metadata.Resolve(start).Sum(v => RecordOverhead + Sectors.AlignUp(v.Record.PayloadLength, SegmentLayout.PayloadAlignment)) + RecordOverhead;
    }

    /// <summary>What has to be handed down when a segment goes and the range will start at <paramref name="start"/>. Found out once for each retirement: only a record that is added changes it.</summary>
    private List<(uint Disk, ContentSource Source)> HandDownOf(SegmentFile segment, ulong start)
    {
        if (handDown is { } known && known.Serial == segment.Serial && known.Start == start && known.Durable == position.Durable) return known.Contents;
        var touched = new Dictionary<uint, ExtentSet>();
        foreach (var (disk, extent) in TouchedBy(segment))
        {
            if (!touched.TryGetValue(disk, out var set)) touched[disk] = set = new ExtentSet();
            set.Add(extent);
        }

        var contents = new List<(uint, ContentSource)>();
        foreach (var (disk, set) in touched)
        {
            foreach (var extent in set.Extents)
            {
                lock (indexGate) contents.AddRange(index.HandDown(disk, extent, segment.Serial, start).Select(s => (disk, s)));
            }
        }

        handDown = (segment.Serial, start, position.Durable, contents, touched);
        return contents;
    }

    /// <summary>What the segment's records touch. Where a commit does not verify any more, the index knows of all of them, and is looked through for it.</summary>
    private List<(uint Disk, Extent Extent)> TouchedBy(SegmentFile segment)
    {
        try
        {
            return [.. segment.ReadCommits(segment.End).SelectMany(c => c.Stored).Where(r => !IndexFact.IsFact(r.Header.Kind)).Select(r => (r.Header.Disk, new Extent(r.Header.Offset, r.Header.Length)))];
        }
        catch (JournalDamagedException)
        {
            return [.. RecordsIn(segment.Serial, 0, segment.Header.SegmentBytes).Select(r => (r.Disk, r.Record.Extent))];
        }
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
        GiveBackVoids();
        var nowVoid = FindVoids(oldest, handDown!.Value.Touched, start);
        List<StoredValue> values;
        lock (indexGate) values = [.. metadata.Resolve(start).Select(v => v.Record)];

        var handDowns = HandDown(contents, oldest, start).Concat(values.Select(v => HandDown(v, start)));
        var checkpoint = Checkpoint(Position.Checkpoint, start, segments[1].Serial, oldest.LastTimeUs);
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
            points.Retire(start, oldest.LastTimeUs);
            position = position with { Start = start };
            Volatile.Write(ref startNow, start);
            Volatile.Write(ref retirements, retirements + 1);
            segments.RemoveAt(0);
            recyclable = oldest.Retire();
        }

        handDown = null;
        voids.AddRange(nowVoid);
        Counters.SegmentsRetired++;
        NoticeDamage(stored, oldest.Serial);
        GiveUpFile(oldest.Serial, recyclable);
    }

    private void GiveUpFile(ulong serial, bool recyclable)
    {
        var name = SegmentLayout.FileName(serial);
        if (recyclable && Spares().Count < SpareMax && directory.FreeBytes > limits.FreeBytesMin) directory.Rename(name, SegmentLayout.SparePrefix + name);
        else directory.Delete(name);
        directory.Flush();
    }

    private bool DropSpares()
    {
        var spares = Spares();
        foreach (var spare in spares) directory.Delete(spare);
        return spares.Count > 0;
    }

    /// <summary>The records that hand down the contents. Neighbours on the disk become one, whichever records they come from: a copy in many small pieces takes more room, and leaves less to give back when it is void.</summary>
    private IEnumerable<Record> HandDown(List<(uint Disk, ContentSource Source)> contents, SegmentFile segment, ulong start)
    {
        var waiting = new List<byte[]>();
        var place = (Disk: 0u, From: 0L, To: 0L);
        foreach (var (disk, source) in contents)
        {
            var record = source.Record!.Value;
            IEnumerable<(Extent Piece, byte[]? Contents)> pieces = record.Content == RecordContent.Payload
                ? HandDownContents.Read(source.Range, record.Offset, pieceBytes, ReadOf(record)) : [(source.Range, null)];
            foreach (var (piece, bytes) in pieces)
            {
                if (waiting.Count > 0 && (bytes is null || place.Disk != disk || place.To != piece.Offset || piece.End - place.From > pieceBytes)) yield return Joined();
                if (bytes is null)
                {
                    yield return HandDown(disk, piece, record.Content == RecordContent.Payload ? RecordContent.Damaged : record.Content, [], start);
                    continue;
                }

                if (waiting.Count == 0) place = (disk, piece.Offset, piece.Offset);
                waiting.Add(bytes);
                place.To = piece.End;
            }
        }

        if (waiting.Count > 0) yield return Joined();

        Record Joined()
        {
            var payload = waiting is [var one] ? one : Join(waiting);
            waiting.Clear();
            return HandDown(place.Disk, Extent.FromEnds(place.From, place.To), RecordContent.Payload, payload, start);
        }

        Func<Extent, byte[]> ReadOf(RecordRef record) => part =>
        {
            var read = new byte[part.Length];
            segment.Read(record, part, read);
            return read;
        };
    }

    private static byte[] Join(List<byte[]> parts)
    {
        var joined = new byte[parts.Sum(p => p.Length)];
        var at = 0;
        foreach (var part in parts)
        {
            part.CopyTo(joined, at);
            at += part.Length;
        }

        return joined;
    }

    private static Record HandDown(uint disk, Extent range, RecordContent content, byte[] payload, ulong start) => Record.Create(
        new RecordHeader { Kind = RecordKind.HandDown, Disk = disk, Offset = range.Offset, Length = range.Length, Content = content, Undoes = start }, payload);

    private Record HandDown(StoredValue value, ulong start)
    {
        var header = new RecordHeader { Kind = RecordKind.Metadata, Undoes = start, TimeUs = value.Header.TimeUs, Attributes = value.Header.Attributes };
        try
        {
            return Record.Create(header, SegmentOf(value.Ref).ReadPayload(value.Ref));
        }
        catch (JournalDamagedException)
        {
            return Record.Create(header with { Content = RecordContent.Damaged }, default);
        }
    }

    /// <summary>Says what of a retired segment was damaged, once, by disk, sectors and the points that it spoils.</summary>
    private void NoticeDamage(IEnumerable<StoredRecord> handedDown, ulong segment)
    {
        foreach (var lost in handedDown.Where(r => r.Header.Content == RecordContent.Damaged))
        {
            Counters.DamagedHandDowns++;
            if (Notice is null) continue;
            var points = lost.Header.Kind == RecordKind.Metadata ? PointsReading(lost.Header.Attributes?.GetValueOrDefault(RecordAttribute.Key) ?? "", lost.Ref)
                : PointsReading(lost.Header.Disk, lost.Ref, lost.Ref.Extent);
            var what = lost.Header.Kind == RecordKind.Metadata ? $"the value of key {lost.Header.Attributes?.GetValueOrDefault(RecordAttribute.Key)}"
                : $"disk {lost.Header.Disk}, sectors {lost.Header.Offset / Sectors.Size} to {((lost.Header.Offset + lost.Header.Length) / Sectors.Size) - 1},";
            Notice($"{what} was damaged in segment {segment}, which is retired; spoiled by it: {(points.Count == 0 ? "no point" : $"{points.Count} points, {points[0].Sequence} to {points[^1].Sequence}")}");
        }
    }
}
