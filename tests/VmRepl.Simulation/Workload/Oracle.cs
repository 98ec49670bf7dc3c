using System.Globalization;
using System.Runtime.InteropServices;
using VmRepl.Blocks;
using VmRepl.Journal.Points;
using VmRepl.Protocol.Records;

namespace VmRepl.Simulation.Workload;

/// <summary>
/// What must be so: the baseline and a plain list of every record after it, replayed from the beginning for each question.
/// Contents are told by one word for each sector, its stamp: the simulation writes no sector that is not the same word over and over, and a sector found counts as right only if all of it is.
/// </summary>
internal sealed class Oracle(IReadOnlyList<ulong[]> baseline, IReadOnlyList<bool[]> baselineHoles, bool punchesHoles)
{
    public const int BlockBytes = 4096;

    private const int CopyEvery = 40;

    private readonly List<Record> records = [];

    // Contents after the first so many records.
    private readonly List<(int Records, IReadOnlyList<ulong[]> Disks)> copies = [];

    // Answers that hold until a record is added or taken out.
    private readonly Dictionary<(ulong Start, ulong Through), List<PointRun>> knownRuns = [];
    private List<(ulong Sequence, string Name)>? knownPoints;

    public IReadOnlyList<Record> Records => records;

    public ulong Newest => records.Count > 0 ? records[^1].Header.Sequence : 0;

    /// <summary>Whether a round has begun and not ended.</summary>
    public bool ResyncIsOpen => records.FindLast(r => r.Header.Kind is RecordKind.ResyncBegin or RecordKind.ResyncEnd)?.Header.Kind == RecordKind.ResyncBegin;

    public void Add(IEnumerable<Record> batch)
    {
        ForgetAnswers();
        foreach (var record in batch)
        {
            // A rewind's records are the product's own: what it wrote has to be sectors that there were.
            if (record.Header.Kind == RecordKind.Write) RequireStamped(record);
            records.Add(record);
        }
    }

    /// <summary>Takes out what came after, and returns it.</summary>
    public List<Record> Truncate(ulong after)
    {
        var lost = records.Where(r => r.Header.Sequence > after).ToList();
        records.RemoveRange(records.Count - lost.Count, lost.Count);
        copies.RemoveAll(c => c.Records > records.Count);
        ForgetAnswers();
        return lost;
    }

    /// <summary>Stamps of every sector of every disk after everything up to <paramref name="point"/>.</summary>
    public ulong[][] Contents(ulong point)
    {
        // From the nearest copy at or before the point: the answer is the same as from the beginning, and a run asks often.
        var nearest = copies.FindLastIndex(c => records[c.Records - 1].Header.Sequence <= point);
        var from = nearest < 0 ? 0 : copies[nearest].Records;
        ulong[][] disks = [.. (nearest < 0 ? baseline : copies[nearest].Disks).Select(d => (ulong[])d.Clone())];
        for (var i = from; i < records.Count && records[i].Header.Sequence <= point; i++)
        {
            if (i >= (copies.Count > 0 ? copies[^1].Records : 0) + CopyEvery) copies.Add((i, [.. disks.Select(d => (ulong[])d.Clone())]));

            var record = records[i];
            var header = record.Header;
            if (!IsContents(header.Kind)) continue;
            var target = disks[header.Disk - 1].AsSpan((int)(header.Offset / Sectors.Size), (int)(header.Length / Sectors.Size));
            if (header.Kind != RecordKind.Write)
            {
                target.Clear();
                continue;
            }

            var words = MemoryMarshal.Cast<byte, ulong>(record.Payload.Span);
            for (var sector = 0; sector < target.Length; sector++) target[sector] = words[sector * (Sectors.Size / sizeof(ulong))];
        }

        return disks;
    }

    /// <summary>
    /// For each disk, the blocks of 4096 bytes that must cost nothing at <paramref name="point"/>: never written since they were last a hole as a whole.
    /// None on a volume that punches no holes. Blocks of which a later record touches a part are left out: the rest of such a block lies in an allocated block of the live image, and reads as zeros.
    /// </summary>
    public bool[][] Holes(ulong point)
    {
        if (!punchesHoles) return [.. baselineHoles.Select(d => new bool[d.Length])];
        bool[][] holes = [.. baselineHoles.Select(d => (bool[])d.Clone())];
        foreach (var record in records)
        {
            var header = record.Header;
            if (!IsContents(header.Kind)) continue;
            var blocks = holes[header.Disk - 1];
            var end = header.Offset + header.Length;
            for (var block = header.Offset / BlockBytes; block * BlockBytes < end; block++)
            {
                var isWhole = block * BlockBytes >= header.Offset && (block + 1) * BlockBytes <= end;
                if (header.Sequence > point) blocks[block] &= isWhole;
                else if (header.Kind == RecordKind.Write) blocks[block] = false;
                else if (isWhole) blocks[block] = true;
            }
        }

        return holes;
    }

    public Dictionary<string, byte[]> Metadata(ulong point)
    {
        var values = new Dictionary<string, byte[]>();
        foreach (var record in records)
        {
            if (record.Header.Kind != RecordKind.Metadata || record.Header.Sequence > point) continue;
            var key = record.Header.Attributes![RecordAttribute.Key];
            if (record.PayloadLength == 0) values.Remove(key);
            else values[key] = record.Payload.ToArray();
        }

        return values;
    }

    /// <summary>Every point, oldest first; a point is listed once for each name, and with an empty one where it has none.</summary>
    public IReadOnlyList<(ulong Sequence, string Name)> Points() => knownPoints ??= FindPoints();

    private List<(ulong Sequence, string Name)> FindPoints()
    {
        var points = new SortedDictionary<ulong, List<string>>();
        var isOpen = false;
        foreach (var record in records)
        {
            var header = record.Header;
            if (header.Kind == RecordKind.ResyncBegin) isOpen = true;
            if (header.Kind == RecordKind.ResyncEnd)
            {
                isOpen = false;
                points[header.Sequence] = [];
            }

            if (header.Kind != RecordKind.Bookmark) continue;
            var target = header.Attributes!.TryGetValue(RecordAttribute.Point, out var text) ? ulong.Parse(text, CultureInfo.InvariantCulture) : header.Sequence;
            if (!points.TryGetValue(target, out var names))
            {
                // What lies in a run is a point that can be named while it is the start of the range; the journal refuses it otherwise.
                if (target == header.Sequence ? isOpen : !Runs(0, header.Sequence).Any(r => r.Contains(target))) continue;
                points[target] = names = [];
            }

            names.Add(header.Attributes[RecordAttribute.Name]);
        }

        return [.. points.SelectMany(p => p.Value.Count == 0 ? [(p.Key, "")] : p.Value.Select(n => (p.Key, n)))];
    }

    /// <summary>The stretches outside resyncs, from the point before them to their newest record of contents or metadata; of each the part from <paramref name="start"/> on, where there is more than the start of it.</summary>
    /// <param name="through">Records up to this sequence only.</param>
    public IReadOnlyList<PointRun> Runs(ulong start, ulong through = ulong.MaxValue)
    {
        if (!knownRuns.TryGetValue((start, through), out var found)) knownRuns.Add((start, through), found = FindRuns(start, through));
        return found;
    }

    private List<PointRun> FindRuns(ulong start, ulong through)
    {
        var runs = new List<PointRun>();
        RecordHeader? first = null, last = null;
        foreach (var header in records.Select(r => r.Header).TakeWhile(h => h.Sequence <= through))
        {
            if (header.Kind == RecordKind.ResyncBegin) End();
            else if (header.Kind == RecordKind.ResyncEnd) first ??= header;
            else if (first is not null && (IsContents(header.Kind) || header.Kind == RecordKind.Metadata)) last = header;
        }

        End();
        return runs;

        void End()
        {
            if (last is not null && last.Sequence > start)
                runs.Add(first!.Sequence >= start ? new PointRun(first.Sequence, first.TimeUs, last.Sequence, last.TimeUs) : new PointRun(start, TimeOf(start), last.Sequence, last.TimeUs));
            (first, last) = (null, null);
        }
    }

    /// <summary>Time of the newest record up to a sequence; 0 where there is none.</summary>
    public long TimeOf(ulong sequence) => records.FindLast(r => r.Header.Sequence <= sequence)?.Header.TimeUs ?? 0;

    public static bool IsContents(RecordKind kind) => kind is RecordKind.Write or RecordKind.Zero or RecordKind.Punch;

    private void ForgetAnswers()
    {
        knownPoints = null;
        knownRuns.Clear();
    }

    private static void RequireStamped(Record record)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(record.Payload.Span);
        for (; !words.IsEmpty; words = words[(Sectors.Size / sizeof(ulong))..])
        {
            if (words[..(Sectors.Size / sizeof(ulong))].ContainsAnyExcept(words[0])) throw new SimulationFailureException($"{record} holds a sector that nobody wrote");
        }
    }
}
