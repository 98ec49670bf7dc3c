using System.Globalization;
using VmRepl.Blocks;
using VmRepl.Journal.Points;
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
    private readonly IEnumerator<Record> records;
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
        view = group.OpenView(point);
        TotalBytes = group.Journal.BytesTouchedAfter([point.Sequence])[0];
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
    /// <exception cref="JournalFullException">Nothing was written.</exception>
    public static GroupRewind Begin(GroupStore group, RecoveryPoint point) => Begin(group, point, group.Append);

    /// <param name="append">Appends to <paramref name="group"/>; a simulation takes note of what is.</param>
    internal static GroupRewind Begin(GroupStore group, RecoveryPoint point, Action<IReadOnlyList<Record>> append)
    {
        var rewind = new GroupRewind(group, point, append);
        try
        {
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
        for (long weight = 0; weight < batchBytesMax && !isComplete;)
        {
            if (!records.MoveNext())
            {
                isComplete = true;
                break;
            }

            batch.Add(records.Current);
            weight += records.Current.PayloadLength + RecordCost;
        }

        if (batch.Count == 0) return false;
        append(batch);
        DoneBytes += batch.Where(r => r.Header.Kind != RecordKind.Metadata).Sum(r => r.Header.Length);
        return true;
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

    private IEnumerable<Record> Records() => view.Disks.OrderBy(d => d.Key).SelectMany(d => Contents(d.Key, d.Value)).Concat(Metadata());

    /// <summary>What the disk held, for each sector touched since. Each was touched within the range, so that none needs undo.</summary>
    private IEnumerable<Record> Contents(uint id, PointInTimeView disk)
    {
        // What this writes lies behind where the index is looked at next, and is not found again.
        for (long? from = 0; from is { } at;)
        {
            (var touched, from) = group.Journal.TouchedAfter(id, at, Point.Sequence);
            foreach (var run in touched.SelectMany(e => Joined(disk.Map(e.Offset, e.Length))))
            {
                if (!run.HasData)
                {
                    yield return Contents(run.State == BlockState.Zero ? RecordKind.Zero : RecordKind.Punch, id, run.Offset, run.Length, default);
                    continue;
                }

                for (var piece = run.Offset; piece < run.End; piece += group.Journal.PieceBytes)
                {
                    var contents = new byte[Math.Min(group.Journal.PieceBytes, run.End - piece)];
                    disk.Read(piece, contents);
                    yield return Contents(RecordKind.Write, id, piece, contents.Length, contents);
                }
            }
        }
    }

    private static List<MapExtent> Joined(IEnumerable<MapExtent> runs)
    {
        var joined = new List<MapExtent>();
        foreach (var run in runs)
        {
            if (joined.Count > 0 && joined[^1].HasData == run.HasData && (run.HasData || joined[^1].State == run.State) && joined[^1].End == run.Offset)
                joined[^1] = new MapExtent(joined[^1].Offset, joined[^1].Length + run.Length, run.State);
            else joined.Add(run);
        }

        return joined;
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

    private Record Contents(RecordKind kind, uint disk, long offset, long length, ReadOnlyMemory<byte> payload) => Record.Create(
        new RecordHeader { Kind = kind, Sequence = ++sequence, TimeUs = timeUs, Epoch = group.Description.Epoch, Disk = disk, Offset = offset, Length = length }, payload);

    private Record Fact(RecordKind kind, string attribute, string text, byte[]? value = null) => Record.Create(
        new RecordHeader { Kind = kind, Sequence = ++sequence, TimeUs = timeUs, Epoch = group.Description.Epoch, Attributes = new Dictionary<string, string> { [attribute] = text } }, value);
}
