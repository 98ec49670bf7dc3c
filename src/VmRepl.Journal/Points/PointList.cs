using System.Globalization;
using VmRepl.Protocol.Names;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Points;

/// <summary>
/// The recovery points of a group, built from its records in order: those that a record makes, and runs, in which every sequence is one. Not safe for concurrent use.
/// <para>States: inconsistent (before the first point, and in a resync), consistent. What is written while it is consistent is followed, and makes the run that is growing.</para>
/// </summary>
internal sealed class PointList
{
    private readonly List<RecoveryPoint> points = [];
    private readonly List<PointRun> runs = [];

    // Begun and ended, one for each resync whose end is a point; the one that is open has 0 for its end.
    private readonly List<(ulong Begin, ulong End)> resyncs = [];

    // The stretch that is consistent up to now. Two fields and a comparison for each record appended: nothing is allocated for it.
    private bool isConsistent;
    private RecordMoment first;
    private RecordMoment last;

    /// <summary>Whether a resync has begun and not ended: what lies after the newest point is not offered.</summary>
    public bool ResyncIsOpen { get; private set; }

    /// <summary>Sequence with which the newest rewind began; 0 where none is known.</summary>
    public ulong NewestRewind { get; private set; }

    /// <summary>The points that a record made, and the start of the range where it is one, oldest first. Where there is any point there is one of these.</summary>
    public IReadOnlyList<RecoveryPoint> All => points;

    /// <summary>The runs, oldest first. They do not overlap.</summary>
    public IReadOnlyList<PointRun> Runs => Growing is { } growing ? [.. runs, growing] : [.. runs];

    /// <summary>The resyncs in the range, oldest first: the sequences with which each began and ended, 0 for one that has not.</summary>
    public IReadOnlyList<(ulong Begin, ulong End)> Resyncs => [.. resyncs];

    /// <summary>Sequence of the newest point of all; null where there is none.</summary>
    public ulong? NewestSequence => points.Count == 0 ? null : Math.Max(points[^1].Sequence, Math.Max(last.Sequence, runs.Count > 0 ? runs[^1].LastSequence : 0));

    /// <summary>The newest point of all.</summary>
    public RecoveryPoint? Newest => points.Count == 0 ? null : NewestSequence == points[^1].Sequence ? points[^1] : (Growing ?? runs[^1]).Last;

    private PointRun? Growing => last.Sequence > 0 ? new PointRun(first.Sequence, first.TimeUs, last.Sequence, last.TimeUs) : null;

    /// <summary>Every point of <see cref="All"/>, and the newest of each run, oldest first.</summary>
    public IReadOnlyList<RecoveryPoint> Listed() => Runs is { Count: > 0 } all ? [.. points.Concat(all.Select(r => r.Last)).OrderBy(p => p.Sequence)] : [.. points];

    /// <summary>Whether a record of that kind, outside a resync, is one that a continuous source writes: it makes its own sequence a point, and those since the point before it.</summary>
    public static bool IsFollowed(RecordKind kind) => kind is RecordKind.Write or RecordKind.Zero or RecordKind.Punch or RecordKind.Metadata or RecordKind.Clone;

    public void Observe(RecordHeader record)
    {
        switch (record.Kind)
        {
            case RecordKind.ResyncBegin:
                ResyncIsOpen = true;
#if SIMULATION_PLANTS
                if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.CutRewindForgotten)) ResyncIsOpen = Attribute(record, RecordAttribute.RewindTo) is null;
#endif
                if (ResyncIsOpen) Break(record.Sequence);
                if (Attribute(record, RecordAttribute.RewindTo) is not null) NewestRewind = record.Sequence;
                break;
            case RecordKind.ResyncEnd:
                ResyncIsOpen = false;
                if (resyncs is [.., (_, 0)]) resyncs[^1] = resyncs[^1] with { End = record.Sequence };
                Add(new RecoveryPoint(record.Sequence, record.TimeUs, null, Attribute(record, RecordAttribute.Consistency) ?? RecoveryPoint.Crash));
                break;
            case RecordKind.Bookmark:
                Name(record);
                break;
            default:
                if (IsFollowed(record.Kind)) Follow(new RecordMoment(record.Sequence, record.TimeUs));
                break;
        }
    }

    /// <summary>The newest record so far of a kind that is followed, where not all of them are told.</summary>
    public void Follow(RecordMoment record)
    {
        if (isConsistent && record.Sequence > first.Sequence && record.Sequence > last.Sequence) last = record;
    }

    /// <summary>A list of its own with the same points.</summary>
    public PointList Copy()
    {
        var copy = new PointList { ResyncIsOpen = ResyncIsOpen, NewestRewind = NewestRewind, isConsistent = isConsistent, first = first, last = last };
        copy.points.AddRange(points);
        copy.runs.AddRange(runs);
        copy.resyncs.AddRange(resyncs);
        return copy;
    }

    /// <summary>Why a bookmark cannot be taken, or null.</summary>
    public string? WhyRefused(RecordHeader bookmark)
    {
        var name = Attribute(bookmark, RecordAttribute.Name);
        if (!NameRule.IsValidBookmark(name)) return $"\"{name}\" is no name for a bookmark: {NameRule.BookmarkText}";
        if (points.Any(p => p.Bookmark == name)) return $"a bookmark named {name} exists already";
        if (Target(bookmark) is { } target && points.FindIndex(p => p.Sequence == target) < 0)
            return IsInRun(target) ? $"sequence {target} lies in a stretch that was followed, where a bookmark names its own sequence" : $"sequence {target} is no recovery point";
        if (ResyncIsOpen && Target(bookmark) is null) return "in the middle of a round there is no consistent moment to name";
        return null;
    }

    /// <summary>The point with this sequence, or null; where a run makes it one, its record was written at <paramref name="timeUs"/>.</summary>
    public RecoveryPoint? At(ulong sequence, long timeUs) =>
        points.Find(p => p.Sequence == sequence) ?? (IsInRun(sequence) ? new RecoveryPoint(sequence, timeUs, null, RecoveryPoint.Crash) : null);

    /// <summary>The range now starts at <paramref name="start"/>, with the record written at <paramref name="timeUs"/>: what lies before is no point any more, and the start is one of its own where a run makes it one.</summary>
    public void Retire(ulong start, long timeUs)
    {
        var point = At(start, timeUs);
        points.RemoveAll(p => p.Sequence < start);
        if (point is not null && (points.Count == 0 || points[0].Sequence != start)) points.Insert(0, point);
        resyncs.RemoveAll(r => r.End != 0 && r.End <= start);
        runs.RemoveAll(r => r.LastSequence <= start);
        if (runs.Count > 0 && runs[0].FirstSequence < start) runs[0] = runs[0] with { FirstSequence = start, FirstTimeUs = timeUs };
        if (!isConsistent || first.Sequence >= start) return;
        if (last.Sequence <= start) last = default;
        first = new RecordMoment(start, point?.TimeUs ?? timeUs);
    }

    /// <summary>A point whose own record was retired because it is the start of the range.</summary>
    public void AddStart(RecoveryPoint point)
    {
        if (points.All(p => p.Sequence != point.Sequence)) points.Insert(0, point);
        BeginStretch(point);
    }

    private bool IsInRun(ulong sequence) =>
        (last.Sequence > 0 && sequence >= first.Sequence && sequence <= last.Sequence) || runs.Exists(r => r.Contains(sequence));

    private void Add(RecoveryPoint point)
    {
        points.Add(point);
        BeginStretch(point);
    }

    private void BeginStretch(RecoveryPoint point)
    {
        if (isConsistent) return;
        isConsistent = true;
        first = new RecordMoment(point.Sequence, point.TimeUs);
        last = default;
    }

    /// <summary>A resync begins: what comes now is no point.</summary>
    private void Break(ulong sequence)
    {
        if (Growing is { } growing) runs.Add(growing);
        if (resyncs is not [.., (_, 0)]) resyncs.Add((sequence, 0));
        isConsistent = false;
        last = default;
    }

    private void Name(RecordHeader record)
    {
        var target = Target(record);
        var name = Attribute(record, RecordAttribute.Name);
        if (!NameRule.IsValidBookmark(name)) return;
        var i = points.FindIndex(p => p.Sequence == (target ?? record.Sequence));
        if (i >= 0)
        {
            // A point may have several names; each is listed as a point of its own so that every name is found.
            // The name may be known from a checkpoint already.
            if (points.Any(p => p.Sequence == target && p.Bookmark == name)) return;
            if (points[i].Bookmark is null) points[i] = points[i] with { Bookmark = name };
            else points.Insert(points.FindLastIndex(p => p.Sequence == points[i].Sequence) + 1, points[i] with { Bookmark = name });
        }
        else if (target is null && !ResyncIsOpen)
        {
            Add(new RecoveryPoint(record.Sequence, record.TimeUs, name, Attribute(record, RecordAttribute.Consistency) ?? RecoveryPoint.Crash));
        }
    }

    private static ulong? Target(RecordHeader record) =>
        Attribute(record, RecordAttribute.Point) is { } text && ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var sequence) ? sequence : null;

    private static string? Attribute(RecordHeader record, string name) => record.Attributes?.GetValueOrDefault(name);
}
