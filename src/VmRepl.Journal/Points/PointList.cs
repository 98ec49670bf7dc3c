using System.Globalization;
using VmRepl.Protocol.Names;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Points;

/// <summary>The recovery points of a group, built from its records in order. Not safe for concurrent use.</summary>
internal sealed class PointList
{
    private readonly List<RecoveryPoint> points = [];

    /// <summary>Whether a resync has begun and not ended: what lies after the newest point is not offered.</summary>
    public bool ResyncIsOpen { get; private set; }

    /// <summary>Sequence with which the newest rewind began; 0 where none is known.</summary>
    public ulong NewestRewind { get; private set; }

    public IReadOnlyList<RecoveryPoint> All => points;

    public RecoveryPoint? Newest => points.Count > 0 ? points[^1] : null;

    public void Observe(RecordHeader record)
    {
        switch (record.Kind)
        {
            case RecordKind.ResyncBegin:
                ResyncIsOpen = true;
#if SIMULATION_PLANTS
                if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.CutRewindForgotten)) ResyncIsOpen = Attribute(record, RecordAttribute.RewindTo) is null;
#endif
                if (Attribute(record, RecordAttribute.RewindTo) is not null) NewestRewind = record.Sequence;
                break;
            case RecordKind.ResyncEnd:
                ResyncIsOpen = false;
                points.Add(new RecoveryPoint(record.Sequence, record.TimeUs, null, Attribute(record, RecordAttribute.Consistency) ?? RecoveryPoint.Crash));
                break;
            case RecordKind.Bookmark:
                Name(record);
                break;
        }
    }

    /// <summary>A list of its own with the same points.</summary>
    public PointList Copy()
    {
        var copy = new PointList { ResyncIsOpen = ResyncIsOpen, NewestRewind = NewestRewind };
        copy.points.AddRange(points);
        return copy;
    }

    /// <summary>Why a bookmark cannot be taken, or null.</summary>
    public string? WhyRefused(RecordHeader bookmark)
    {
        var name = Attribute(bookmark, RecordAttribute.Name);
        if (!NameRule.IsValidBookmark(name)) return $"\"{name}\" is no name for a bookmark: {NameRule.BookmarkText}";
        if (points.Any(p => p.Bookmark == name)) return $"a bookmark named {name} exists already";
        if (Target(bookmark) is { } target && points.FindIndex(p => p.Sequence == target) < 0) return $"sequence {target} is no recovery point";
        if (ResyncIsOpen && Target(bookmark) is null) return "in the middle of a round there is no consistent moment to name";
        return null;
    }

    /// <summary>The range now starts at <paramref name="start"/>: what lies before is no point any more.</summary>
    public void Retire(ulong start) => points.RemoveAll(p => p.Sequence < start);

    /// <summary>A point whose own record was retired because it is the start of the range.</summary>
    public void AddStart(RecoveryPoint point)
    {
        if (points.All(p => p.Sequence != point.Sequence)) points.Insert(0, point);
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
            points.Add(new RecoveryPoint(record.Sequence, record.TimeUs, name, Attribute(record, RecordAttribute.Consistency) ?? RecoveryPoint.Crash));
        }
    }

    private static ulong? Target(RecordHeader record) =>
        Attribute(record, RecordAttribute.Point) is { } text && ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var sequence) ? sequence : null;

    private static string? Attribute(RecordHeader record, string name) => record.Attributes?.GetValueOrDefault(name);
}
