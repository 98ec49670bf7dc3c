using System.Globalization;

namespace VmRepl.Simulation.System;

/// <summary>How often the events happened that the system's simulation is there for.</summary>
internal sealed class SystemCounters
{
    public const string SourceKills = "source-kills", SourceHostCrashes = "source-host-crashes", SourceStops = "source-stops", ReplicaKills = "replica-kills", ReplicaHostCrashes = "replica-host-crashes", BothCrashes = "both-crash",
        OldCopies = "old-copies", CutsAlone = "cuts-alone", CutsInBaseline = "cuts-in-baseline", CutsInResync = "cuts-in-resync", CutsInFollowing = "cuts-in-following", CutsSilent = "cuts-silent", CutsOneSided = "cuts-one-sided",
        LateDeliveries = "late-deliveries", SlowLinks = "slow-links", LinksBarred = "links-barred", Baselines = "baselines", ResyncsQuick = "resyncs-quick", ResyncsByDigest = "resyncs-by-digest", ResyncsFromAnchor = "resyncs-from-anchor", Anchors = "anchors", Overflows = "overflows",
        PointsChecked = "points-checked", PromisedChecked = "promises-checked", PromisesEnded = "promises-ended", MarksChecked = "marks-checked", EqualChecked = "equal-checked", Bookmarks = "bookmarks", ReplicaFull = "replica-full",
        SourceFull = "source-full", ClockSteps = "clock-steps", Writes = "writes", Empties = "zeros-and-punches", Unaligned = "unaligned-writes", Fenced = "fenced",
        StoppedWrites = "writes-that-stopped", MomentsChecked = "moments-of-runs-checked", FramesTwice = "frames-twice", FramesOvertaken = "frames-overtaken";

    private static readonly string[] Names =
    [
        SourceKills, SourceHostCrashes, SourceStops, ReplicaKills, ReplicaHostCrashes, BothCrashes, OldCopies, CutsAlone, CutsInBaseline, CutsInResync, CutsInFollowing, CutsSilent, CutsOneSided, LateDeliveries, SlowLinks, LinksBarred,
        Baselines, ResyncsQuick, ResyncsByDigest, ResyncsFromAnchor, Anchors, Overflows, PointsChecked, PromisedChecked, PromisesEnded, MarksChecked, EqualChecked, Bookmarks, ReplicaFull, SourceFull, ClockSteps, Writes, Empties, Unaligned, Fenced, StoppedWrites, MomentsChecked, FramesTwice, FramesOvertaken,
    ];

    private readonly Dictionary<string, long> counts = Names.ToDictionary(n => n, _ => 0L);

    public IEnumerable<string> Missing => Names.Where(n => counts[n] == 0);

    public void Add(string name, long count = 1) => counts[name] += count;

    public Dictionary<string, long> NotZero => counts.Where(c => c.Value != 0).ToDictionary();

    /// <param name="counted">By name, of this class.</param>
    public void Add(IReadOnlyDictionary<string, long> counted)
    {
        foreach (var (name, count) in counted) counts[name] += count;
    }

    public override string ToString() => string.Join(' ', Names.Select(n => string.Create(CultureInfo.InvariantCulture, $"{n}={counts[n]}")));
}
