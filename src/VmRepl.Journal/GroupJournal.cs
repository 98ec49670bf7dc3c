using System.Globalization;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Index;
using VmRepl.Journal.Metadata;
using VmRepl.Journal.Points;
using VmRepl.Journal.Segments;
using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal;

/// <summary>
/// The undo-augmented journal of one group together with the live images that it alone writes.
/// <para>States: open for writing, open for reading (a bare store directory), failed (a write did not end well: nothing more is taken until it is opened again).</para>
/// <para>Order of a commit, and what a crash in between leaves:
/// old contents are read, then undo and records are written and flushed in one commit (a crash: neither is there, the live image is untouched);
/// then they are acknowledged as durable; then the live images are written (a crash: redone from the last checkpoint, every value being absolute);
/// then, now and then, the live images are flushed and a checkpoint is written.</para>
/// <para>One writer at a time; reading of points, views and positions is safe beside it.</para>
/// </summary>
public sealed partial class GroupJournal : IDisposable
{
    private const int UndoPieceBytes = 1 << 20;
    private const int SpareMax = 1;
    private const string SparePrefix = "spare-";

    private readonly IHostDirectory directory;
    private readonly IReadOnlyDictionary<uint, IBlockDevice> live;
    private readonly JournalOptions options;
    private readonly TimeProvider time;
    private readonly ulong incarnation;
    private readonly bool isReadOnly;
    private readonly long freeBytesMin;
    private readonly MessagePackWriter encoder = new(64 * 1024);

    // The writer's lock is taken first, the index's inside it. Views take only the latter, and never hold it over I/O.
    private readonly Lock writerGate = new();
    private readonly Lock indexGate = new();

    private readonly Dictionary<uint, DiskIndex> disks;
    private readonly List<SegmentFile> segments = [];
    private readonly PointList points = new();
    private readonly MetadataIndex metadata = new();
    private readonly Dictionary<object, ulong> pins = [];

    // Sectors touched by records of the batch in hand that are not in the index yet.
    private readonly PendingTouches pending = new();

    private JournalPosition position;
    private uint lastChecksum;
    private long appliedSinceCheckpoint;
    private Exception? failure;

    internal GroupJournal(IHostDirectory directory, IReadOnlyDictionary<uint, IBlockDevice> live, JournalOptions options, TimeProvider time, ulong incarnation, bool isReadOnly)
    {
        this.directory = directory;
        this.live = live;
        this.options = options;
        this.time = time;
        this.incarnation = incarnation;
        this.isReadOnly = isReadOnly;
        disks = live.Keys.ToDictionary(d => d, _ => new DiskIndex());
        freeBytesMin = isReadOnly ? 0 : options.FreeBytesMin ?? Math.Min(1L << 30, directory.FreeBytes / 20);
    }

    public JournalPosition Position
    {
        get
        {
            lock (indexGate) return position;
        }
    }

    /// <summary>Whether a round has begun and not ended.</summary>
    public bool ResyncIsOpen
    {
        get
        {
            lock (indexGate) return points.ResyncIsOpen;
        }
    }

    /// <summary>Every point that can be restored, oldest first. A point with several bookmarks is listed once for each.</summary>
    public IReadOnlyList<RecoveryPoint> Points
    {
        get
        {
            lock (indexGate) return [.. points.All];
        }
    }

    /// <summary>Bytes of all segment files.</summary>
    public long SegmentBytes
    {
        get
        {
            lock (indexGate) return segments.Sum(s => s.Header.SegmentBytes);
        }
    }

    /// <summary>Reads the journal and, for writing, brings the live images up to it.</summary>
    /// <param name="incarnation">Greater than at any earlier opening for writing.</param>
    /// <exception cref="JournalDamagedException">A segment in the middle does not verify.</exception>
    public static GroupJournal Open(IHostDirectory directory, IReadOnlyDictionary<uint, IBlockDevice> live, JournalOptions options, TimeProvider time, ulong incarnation, bool isReadOnly)
    {
        var journal = new GroupJournal(directory, live, options, time, incarnation, isReadOnly);
        try
        {
            var recovery = JournalRecovery.Read(directory, isReadOnly);
            journal.Load(recovery);
            if (!isReadOnly) journal.Redo(recovery);
            return journal;
        }
        catch
        {
            journal.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Makes the records durable, in order, with the undo that they need, then applies them to the live images. On return everything is durable and applied.
    /// </summary>
    /// <exception cref="JournalFullException">Nothing was written.</exception>
    /// <exception cref="ArgumentException">A record does not fit the group: unknown disk, outside of it, out of order.</exception>
    /// <exception cref="IOException">The journal is failed from now on.</exception>
    public void Append(IReadOnlyList<Record> records)
    {
        lock (writerGate)
        {
            ThrowIfUnusable();
            CheckRecords(records);
            try
            {
                MakeRoom(records);
                pending.Clear();
                Commit([.. records.SelectMany(WithUndo)]);
                Apply(records);
                if (appliedSinceCheckpoint >= options.CheckpointBytes) WriteCheckpoint();
            }
            catch (Exception e) when (e is not JournalFullException)
            {
                // A writer that failed stays failed: what reached the disk is known again only after a recovery.
                failure = e;
                throw;
            }
        }
    }

    /// <summary>Flushes the live images and notes it, so that a recovery need not redo what came before.</summary>
    public void Checkpoint()
    {
        lock (writerGate)
        {
            ThrowIfUnusable();
            if (Position is var p && p.Checkpoint == p.Applied) return;
            try
            {
                WriteCheckpoint();
            }
            catch (Exception e)
            {
                failure = e;
                throw;
            }
        }
    }

    /// <summary>The values of the group's keys as of <paramref name="point"/>.</summary>
    public IReadOnlyDictionary<string, byte[]> MetadataAt(ulong point)
    {
        List<(string Key, StoredRecord Record)> records;
        lock (indexGate)
        {
            records = [.. metadata.Resolve(point)];
            foreach (var (_, record) in records) record.Segment.AddReader();
        }

        try
        {
            return records.ToDictionary(r => r.Key, r => r.Record.ReadPayload());
        }
        finally
        {
            lock (indexGate)
            {
                foreach (var (_, record) in records) record.Segment.ReleaseReader();
            }
        }
    }

    public void Dispose()
    {
        lock (writerGate)
        {
            foreach (var segment in segments) segment.Dispose();
            segments.Clear();
            encoder.Dispose();
            failure ??= new ObjectDisposedException(nameof(GroupJournal));
        }
    }

    /// <summary>Keeps every point from <paramref name="point"/> on reachable until <see cref="Unpin"/>; views do this.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The point is outside the range.</exception>
    internal void Pin(object owner, ulong point)
    {
        lock (indexGate)
        {
            if (point < position.Start || point > position.Durable)
                throw new ArgumentOutOfRangeException(nameof(point), $"sequence {point} is outside the recovery range {position.Start} to {position.Durable}");
            pins.Add(owner, point);
        }
    }

    internal void Unpin(object owner)
    {
        lock (indexGate) pins.Remove(owner);
    }

    /// <summary>Where each part of a range is to be read as of a point. The segments named stay readable until <see cref="Release"/>.</summary>
    internal List<ContentSource> Resolve(uint disk, Extent range, ulong point)
    {
        lock (indexGate)
        {
            var sources = disks[disk].Resolve(range, point);
            foreach (var source in sources) source.Record?.Segment.AddReader();
            return sources;
        }
    }

    internal void Release(List<ContentSource> sources)
    {
        lock (indexGate)
        {
            foreach (var source in sources) source.Record?.Segment.ReleaseReader();
        }
    }

    private void ThrowIfUnusable()
    {
        if (isReadOnly) throw new InvalidOperationException($"{directory.Path}: the journal is open for reading only");
        if (failure is not null) throw new IOException($"{directory.Path}: the journal took no more after a failed write; it has to be opened again", failure);
    }

    private void CheckRecords(IReadOnlyList<Record> records)
    {
        var last = position.Durable;
        foreach (var record in records)
        {
            var header = record.Header;
            if (header.Kind >= RecordKind.Undo) throw new ArgumentException($"a record of kind {header.Kind} does not travel");
            if (header.Sequence <= last) throw new ArgumentException($"sequence {header.Sequence} came after {last}");
            last = header.Sequence;
            if (Math.Max(record.PayloadLength, 1) > options.SegmentBytes / 2) throw new ArgumentException($"{record} is larger than half a segment of {options.SegmentBytes} bytes");
            if (header.Kind == RecordKind.Bookmark && points.WhyRefused(header) is { } reason) throw new ArgumentException(reason);
            if (!IsContents(header.Kind)) continue;
            if (!live.TryGetValue(header.Disk, out var disk)) throw new ArgumentException($"{record} names a disk that the group does not have");
            if (header.Offset + header.Length > disk.Length) throw new ArgumentException($"{record} lies outside the disk of {disk.Length} bytes");
        }
    }

    /// <summary>The record, after the undo records for those of its sectors that are touched for the first time in the range.</summary>
    private List<Record> WithUndo(Record record)
    {
        var result = new List<Record>(1);
        var header = record.Header;
        if (IsContents(header.Kind))
        {
            List<Extent> untouched;
            lock (indexGate) untouched = pending.Untouched(disks[header.Disk], header.Disk, new Extent(header.Offset, header.Length));
            foreach (var extent in untouched) CaptureUndo(header, extent, result);
            pending.Add(header.Disk, new Extent(header.Offset, header.Length));
        }

        result.Add(record);
        return result;
    }

    /// <summary>Reads the old contents, following the allocation map: a hole is undone by a hole, and costs no payload.</summary>
    private void CaptureUndo(RecordHeader record, Extent extent, List<Record> into)
    {
        var disk = live[record.Disk];
        foreach (var run in disk.Map(extent.Offset, extent.Length))
        {
            // Sector granularity: a map may cut anywhere, undo may not. Rounding outwards inside the extent keeps data.
            var from = run.HasData ? Sectors.AlignDown(run.Offset, Sectors.Size) : Sectors.AlignUp(run.Offset, Sectors.Size);
            var to = run.HasData ? Sectors.AlignUp(run.End, Sectors.Size) : Sectors.AlignDown(run.End, Sectors.Size);
            var part = Extent.FromEnds(from, Math.Max(from, to)).Intersect(extent);
            if (part.IsEmpty) continue;
            if (!run.HasData)
            {
                into.Add(Undo(record, part, RecordContent.Hole, default));
                continue;
            }

            for (var at = part.Offset; at < part.End; at += UndoPieceBytes)
            {
                var old = new byte[Math.Min(UndoPieceBytes, part.End - at)];
                disk.Read(at, old);
                into.Add(Undo(record, new Extent(at, old.Length), RecordContent.Payload, old));
            }
        }
    }

    private static Record Undo(RecordHeader record, Extent extent, RecordContent content, ReadOnlyMemory<byte> old) => Record.Create(
        new RecordHeader { Kind = RecordKind.Undo, Disk = record.Disk, Offset = extent.Offset, Length = extent.Length, Content = content, Undoes = record.Sequence }, old);

    /// <summary>Writes the records in as few commits as fit, flushes, and puts them into the index.</summary>
    private List<StoredRecord> Commit(List<Record> records)
    {
        var all = new List<StoredRecord>(records.Count);
        for (var next = 0; next < records.Count;)
        {
            var tail = segments.Count > 0 ? segments[^1] : Roll();
            var fitting = Fitting(tail, records, next);
            if (fitting == 0)
            {
                tail = Roll();
                fitting = Fitting(tail, records, next);
                if (fitting == 0) throw new InvalidOperationException($"{records[next]} does not fit an empty segment of {options.SegmentBytes} bytes");
            }

            var (stored, checksum) = tail.WriteCommit(records.GetRange(next, fitting), incarnation, lastChecksum, encoder);
            // The next commit may be written only when this one is durable: recovery relies on it to tell a torn tail from damage.
            tail.Flush();
            lastChecksum = checksum;
            next += fitting;
            lock (indexGate)
            {
                foreach (var record in stored) Index(record);
            }

            all.AddRange(stored);
        }

        return all;
    }

    private static int Fitting(SegmentFile tail, List<Record> records, int from)
    {
        long recordBytes = 0, payloadBytes = 0;
        for (var i = from; i < records.Count; i++)
        {
            var (inRecords, inPayloads) = SegmentFile.SpaceFor(records[i]);
            recordBytes += inRecords;
            payloadBytes += inPayloads;
            if (!tail.Fits(recordBytes, payloadBytes)) return i - from;
        }

        return records.Count - from;
    }

    private SegmentFile Roll()
    {
        var spare = directory.ListFiles().FirstOrDefault(n => n.StartsWith(SparePrefix, StringComparison.Ordinal));
        var nowUs = (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / 10;
        var serial = segments.Count > 0 ? segments[^1].Serial + 1 : 1;
        var segment = SegmentFile.Create(directory, spare, new SegmentHeader(serial, options.NewNonce(), options.SegmentBytes, nowUs));
        if (segments.Count > 0)
        {
            segment.LastSequence = segments[^1].LastSequence;
            segment.LastTimeUs = segments[^1].LastTimeUs;
        }

        lock (indexGate) segments.Add(segment);
        return segment;
    }

    /// <summary>Under the index lock: takes a record that has just become durable into every index.</summary>
    private void Index(StoredRecord record)
    {
        var header = record.Header;
        switch (header.Kind)
        {
            case RecordKind.Undo:
                disks[header.Disk].SetUndo(record);
                return;
            case RecordKind.HandDown or RecordKind.Checkpoint:
                return;
            case RecordKind.Metadata when header.Sequence == 0:
                return;
            case RecordKind.Metadata:
                metadata.AddVersion(record);
                break;
            case RecordKind.Write or RecordKind.Zero or RecordKind.Punch:
                disks[header.Disk].AddVersion(record);
                break;
            default:
                points.Observe(header);
                break;
        }

        record.Segment.LastSequence = header.Sequence;
        record.Segment.LastTimeUs = header.TimeUs;
        position = position with { Durable = header.Sequence };
    }

    private void Apply(IReadOnlyList<Record> records)
    {
        foreach (var record in records)
        {
            var header = record.Header;
            switch (header.Kind)
            {
                case RecordKind.Write:
                    live[header.Disk].Write(header.Offset, record.Payload.Span);
                    break;
                case RecordKind.Zero:
                    live[header.Disk].Zero(header.Offset, header.Length);
                    break;
                case RecordKind.Punch:
                    live[header.Disk].Punch(header.Offset, header.Length);
                    break;
            }

            appliedSinceCheckpoint += header.Length;
        }

        if (records.Count == 0) return;
        lock (indexGate) position = position with { Applied = records[^1].Header.Sequence };
    }

    private void WriteCheckpoint()
    {
        FlushLive();
        var p = Position with { Checkpoint = Position.Applied };
        Commit([CheckpointRecord(p.Checkpoint, p.Start, segments[0].Serial)]);
        lock (indexGate) position = p;
        appliedSinceCheckpoint = 0;
    }

    /// <summary>Flushes the live images: before a checkpoint says so, and at the end of a baseline, which is not journaled.</summary>
    internal void FlushLive()
    {
        foreach (var disk in live.Values) disk.Flush();
    }

    /// <param name="firstSegment">Serial of the oldest segment that is still needed.</param>
    private Record CheckpointRecord(ulong applied, ulong start, ulong firstSegment)
    {
        RecoveryPoint? startPoint;
        lock (indexGate) startPoint = points.All.FirstOrDefault(p => p.Sequence == start);
        var attributes = new Dictionary<string, string>
        {
            [RecordAttribute.Applied] = applied.ToString(CultureInfo.InvariantCulture),
            [RecordAttribute.Start] = start.ToString(CultureInfo.InvariantCulture),
            [RecordAttribute.FirstSegment] = firstSegment.ToString(CultureInfo.InvariantCulture),
        };
        if (startPoint is not null)
        {
            attributes[RecordAttribute.StartConsistency] = startPoint.Consistency;
            attributes[RecordAttribute.StartTimeUs] = startPoint.TimeUs.ToString(CultureInfo.InvariantCulture);
        }

        return Record.Create(new RecordHeader { Kind = RecordKind.Checkpoint, Attributes = attributes }, default);
    }

    private static bool IsContents(RecordKind kind) => kind is RecordKind.Write or RecordKind.Zero or RecordKind.Punch;
}
