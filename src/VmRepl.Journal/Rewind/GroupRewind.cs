using System.Globalization;
using VmRepl.Blocks;
using VmRepl.Journal.Points;
using VmRepl.Journal.Segments;
using VmRepl.Journal.Store;
using VmRepl.Journal.Views;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Rewind;

/// <summary>
/// Takes a group's live images in place to what they were at a point, backwards or forwards, as one more round of its history: what lies after the point stays restorable.
/// <code>
/// what is journaled                                 if it ends here
/// resync-begin, naming the point                    the newest point stays the newest that is offered; the live images are as they were
/// contents of every sector touched after the point  the same, and the live images are somewhere in between; another rewind, or a round of the source, brings them to a point again
/// values of keys that differ                        the same
/// rewind, resync-end                                a new point, equal to the one gone to
/// </code>
/// States: begun, complete (<see cref="Step"/> said so), finished. Nobody else may append to the group meanwhile; views may be opened and read.
/// </summary>
public sealed class GroupRewind : IDisposable
{
    private const long BatchBytesMax = 8 << 20;

    // What a small record costs a batch beyond its bytes, so that a batch of many is not refused for the room that it might take.
    private const long RecordCost = 8192;

    private readonly GroupStore group;
    private readonly Action<IReadOnlyList<Record>> append;
    private readonly GroupView view;
    private readonly RewindPlan plan;
    private readonly IEnumerator<(Record Record, long TouchedBytes)> records;
    private readonly long batchBytesMax;
    private readonly long timeUs;
    private ulong sequence;
    private bool isComplete;

    private GroupRewind(GroupStore group, RecoveryPoint point, Action<IReadOnlyList<Record>> append)
    {
        this.group = group;
        this.append = append;
        batchBytesMax = Math.Min(BatchBytesMax, group.Journal.SegmentBytesEach / 2);
        timeUs = group.Journal.NextTimeUs;
        sequence = group.Journal.Position.Durable;
        view = new GroupView(group, point, givesWay: false);
        TotalBytes = group.Journal.BytesTouchedAfter([point.Sequence])[0];
        plan = new RewindPlan(group.Journal, point.Sequence);
        records = Records().GetEnumerator();
    }

    /// <summary>The point gone to.</summary>
    public RecoveryPoint Point => view.Point;

    /// <summary>Bytes of the disks that differ, or may, between now and the point.</summary>
    public long TotalBytes { get; }

    /// <summary>The part of them that is back.</summary>
    public long DoneBytes { get; private set; }

    /// <summary>Journals the beginning.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The point is outside the recovery range.</exception>
    /// <exception cref="JournalFullException">There is no room for all of it; nothing was written.</exception>
    /// <exception cref="JournalDamagedException">What the point holds does not verify; nothing was written.</exception>
    public static GroupRewind Begin(GroupStore group, RecoveryPoint point) => Begin(group, point, records => group.Append(records));

    /// <param name="append">Appends to <paramref name="group"/>; a simulation takes note of what is.</param>
    internal static GroupRewind Begin(GroupStore group, RecoveryPoint point, Action<IReadOnlyList<Record>> append)
    {
        var rewind = new GroupRewind(group, point, append);
        try
        {
            rewind.RequireRoom();
            append([rewind.Fact(RecordKind.ResyncBegin, RecordAttribute.RewindTo, rewind.Target)]);
            return rewind;
        }
        catch
        {
            rewind.Dispose();
            throw;
        }
    }

    /// <summary>Brings some more back, at most 8 MiB.</summary>
    /// <returns>False when everything is back, and <see cref="Finish"/> is due.</returns>
    /// <exception cref="JournalFullException">The journal has no room for it; what was brought back before stays so, and the newest point stays the newest.</exception>
    /// <exception cref="JournalDamagedException">What the point holds does not verify.</exception>
    public bool Step()
    {
        var batch = new List<Record>();
        long touched = 0;
        for (long weight = 0; weight < batchBytesMax && !isComplete;)
        {
            if (!records.MoveNext())
            {
                isComplete = true;
                break;
            }

            batch.Add(records.Current.Record);
            touched += records.Current.TouchedBytes;
            weight += Math.Max(records.Current.Record.PayloadLength, records.Current.Record.Header.Length) + RecordCost;
        }

        if (batch.Count > 0) append(batch);
        // What this wrote itself may have been looked at again, where a block that became a hole lay on the edge of two looks.
        DoneBytes = isComplete ? TotalBytes : Math.Min(TotalBytes, DoneBytes + touched);
        return batch.Count > 0;
    }

    /// <summary>Makes the new point. On return it is durable and the live images are flushed.</summary>
    /// <exception cref="InvalidOperationException">Not everything is back.</exception>
    public RecoveryPoint Finish()
    {
        if (!isComplete) throw new InvalidOperationException($"the rewind to {Point.Sequence} has brought back {DoneBytes} of {TotalBytes} bytes");
        var end = Fact(RecordKind.Rewind, RecordAttribute.To, Target);
        append([end, Fact(RecordKind.ResyncEnd, RecordAttribute.Consistency, Point.Consistency)]);
        group.Journal.Checkpoint();
        return new RecoveryPoint(sequence, timeUs, null, Point.Consistency);
    }

    /// <summary>Does all that is left.</summary>
    /// <param name="progress">Is told <see cref="DoneBytes"/>.</param>
    /// <param name="cancellation">Looked at between batches.</param>
    public RecoveryPoint Run(IProgress<long>? progress, CancellationToken cancellation)
    {
        while (Step())
        {
            progress?.Report(DoneBytes);
            cancellation.ThrowIfCancellationRequested();
        }

        return Finish();
    }

    public void Dispose()
    {
        records.Dispose();
        view.Dispose();
    }

    private string Target => Point.Sequence.ToString(CultureInfo.InvariantCulture);

    private IEnumerable<(Record Record, long TouchedBytes)> Records() =>
        view.Disks.OrderBy(d => d.Key).SelectMany(d => plan.Pieces(d.Key, d.Value).Select(piece => (Contents(d.Key, d.Value, piece), piece.TouchedBytes))).Concat(Metadata().Select(m => (m, 0L)));

    /// <summary>Counts all that is to be journaled before anything is.</summary>
    private void RequireRoom()
    {
        long journalBytes = 0, liveBytes = 0, touchedBytes = 0;
        foreach (var (id, disk) in view.Disks)
        {
            foreach (var piece in plan.Pieces(id, disk))
            {
                var isWrite = piece.Kind == RecordKind.Write;
                touchedBytes += GroupJournal.RecordOverhead + Sectors.AlignUp(piece.Extent.Length, SegmentLayout.PayloadAlignment);
                journalBytes += GroupJournal.RecordOverhead + (isWrite ? Sectors.AlignUp(piece.Extent.Length, SegmentLayout.PayloadAlignment) : 0);
                if (isWrite) liveBytes += group.Live[id].Map(piece.Extent.Offset, piece.Extent.Length).Where(r => !r.HasData).Sum(r => r.Length);
            }
        }

        // The last batch is taken only where there is room for its undo as well, though it needs none.
        group.Journal.RequireRoom($"a rewind to point {Point.Sequence}", Point.Sequence, journalBytes + Math.Min(touchedBytes, batchBytesMax + RewindPlan.HoleBytesMax(group.Journal)), liveBytes);
    }

    private IEnumerable<Record> Metadata()
    {
        var now = group.Journal.MetadataAt(group.Journal.Position.Durable);
        foreach (var key in now.Keys.Union(view.Metadata.Keys).Order(StringComparer.Ordinal))
        {
            // No value: the key is not there.
            var then = view.Metadata.GetValueOrDefault(key) ?? [];
            if (!then.AsSpan().SequenceEqual(now.GetValueOrDefault(key))) yield return Fact(RecordKind.Metadata, RecordAttribute.Key, key, then);
        }
    }

    private Record Contents(uint id, PointInTimeView disk, RewindPiece piece)
    {
        var contents = piece.Kind == RecordKind.Write ? new byte[piece.Extent.Length] : [];
        if (contents.Length > 0) disk.Read(piece.Extent.Offset, contents);
        return Record.Create(
            new RecordHeader { Kind = piece.Kind, Sequence = ++sequence, TimeUs = timeUs, Epoch = group.Description.Epoch, Disk = id, Offset = piece.Extent.Offset, Length = piece.Extent.Length }, contents);
    }

    private Record Fact(RecordKind kind, string attribute, string text, byte[]? value = null) => Record.Create(
        new RecordHeader { Kind = kind, Sequence = ++sequence, TimeUs = timeUs, Epoch = group.Description.Epoch, Attributes = new Dictionary<string, string> { [attribute] = text } }, value);
}
