using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Limits;
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
    private static Dictionary<uint, List<Extent>> Touched(SegmentFile segment) =>
        segment.Records.Where(r => IsContents(r.Header.Kind) || r.Header.Kind is RecordKind.Undo or RecordKind.HandDown)
            .GroupBy(r => r.Header.Disk).ToDictionary(g => g.Key, g => g.Select(r => r.Extent).ToList());

    /// <summary>Most bytes that handing down the oldest segment writes.</summary>
    private long HandDownBytes(SegmentFile oldest, ulong start)
    {
        lock (indexGate)
        {
            var contents = Touched(oldest).SelectMany(t => disks[t.Key].HandDown(t.Value, oldest, start)).Sum(s => RecordOverhead
                + (s.Record!.Content == RecordContent.Payload ? Sectors.AlignUp(s.Range.Length, SegmentLayout.PayloadAlignment) : 0));
            return contents + metadata.Resolve(start).Sum(v => RecordOverhead + Sectors.AlignUp(v.Record.PayloadLength, SegmentLayout.PayloadAlignment)) + RecordOverhead;
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
        var touched = Touched(oldest);
        List<(uint Disk, ContentSource Source)> contents;
        List<StoredRecord> values;
        lock (indexGate)
        {
            contents = [.. touched.SelectMany(t => disks[t.Key].HandDown(t.Value, oldest, start).Select(s => (t.Key, s)))];
            values = [.. metadata.Resolve(start).Select(v => v.Record)];
        }

        var handDowns = contents.SelectMany(c => HandDown(c.Disk, c.Source, start)).Concat(values.Select(v => HandDown(v, start)));
        var checkpoint = Checkpoint(Position.Checkpoint, start, segments[1].Serial);
#if SIMULATION_PLANTS
        if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.DropBeforeHandDown)) Commit([checkpoint]);
#endif
        var stored = Commit(handDowns.Append(checkpoint));

        bool recyclable;
        lock (indexGate)
        {
            foreach (var (disk, extents) in touched) disks[disk].Retire(extents, start);
            metadata.Retire(start);
            foreach (var record in stored)
            {
                if (record.Header.Kind == RecordKind.HandDown) disks[record.Header.Disk].SetUndo(record);
                else if (record.Header.Kind == RecordKind.Metadata) metadata.SetBase(record);
            }

            points.Retire(start);
            position = position with { Start = start };
            segments.RemoveAt(0);
            recyclable = oldest.Retire();
        }

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

    private IEnumerable<Record> HandDown(uint disk, ContentSource source, ulong start)
    {
        var record = source.Record!;
        if (record.Content != RecordContent.Payload)
        {
            yield return HandDown(disk, source.Range, record.Content, [], start);
            yield break;
        }

        foreach (var (piece, contents) in HandDownContents.Read(source.Range, record.Header.Offset, pieceBytes, ReadOf(record)))
            yield return HandDown(disk, piece, contents is null ? RecordContent.Damaged : RecordContent.Payload, contents ?? [], start);

        static Func<Extent, byte[]> ReadOf(StoredRecord record) => part =>
        {
            var contents = new byte[part.Length];
            record.Read(part, contents);
            return contents;
        };
    }

    private static Record HandDown(uint disk, Extent range, RecordContent content, byte[] payload, ulong start) => Record.Create(
        new RecordHeader { Kind = RecordKind.HandDown, Disk = disk, Offset = range.Offset, Length = range.Length, Content = content, Undoes = start }, payload);

    private static Record HandDown(StoredRecord value, ulong start)
    {
        var header = new RecordHeader { Kind = RecordKind.Metadata, Undoes = start, TimeUs = value.Header.TimeUs, Attributes = value.Header.Attributes };
        try
        {
            return Record.Create(header, value.ReadPayload());
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
            var points = PointsReading(lost, lost.Extent);
            var what = lost.Header.Kind == RecordKind.Metadata ? $"the value of key {lost.Header.Attributes?.GetValueOrDefault(RecordAttribute.Key)}"
                : $"disk {lost.Header.Disk}, sectors {lost.Header.Offset / Sectors.Size} to {((lost.Header.Offset + lost.Header.Length) / Sectors.Size) - 1},";
            Notice($"{what} was damaged in segment {segment}, which is retired; spoiled by it: {(points.Count == 0 ? "no point" : $"{points.Count} points, {points[0].Sequence} to {points[^1].Sequence}")}");
        }
    }
}
