using System.Globalization;

namespace VmRepl.Simulation.Workload;

/// <summary>How often the events happened that the simulation is there for. A long run in which one of them never did has shown nothing about it.</summary>
public sealed class SimulationCounters
{
    public const string PowerLosses = "power-losses", Kills = "kills", CrashesInRecovery = "crashes-in-recovery", TornTails = "torn-tails", Redone = "records-redone",
        Retirements = "retirements", Recycled = "segments-recycled", HandDowns = "hand-downs", Undos = "undos", Checkpoints = "checkpoints",
        ViewsOverRetirement = "views-over-a-retirement", ViewsClosed = "views-that-gave-way", SecondLooks = "appends-inside-a-view's-read", PointsChecked = "points-checked", HolesChecked = "hole-blocks-checked",
        JournalFull = "journal-full", DiskFull = "disk-full", ReadErrors = "read-errors", Resends = "batches-resent", GivenUp = "batches-given-up",
        CleanReopens = "clean-reopens", ReadOnlyOpens = "read-only-opens", BitFlips = "bit-flips", BitFlipsNamed = "bit-flips-named", Bookmarks = "bookmarks", Rounds = "rounds", Records = "records",
        Rewinds = "rewinds", RewindsForward = "rewinds-forward", CrashesInRewind = "crashes-in-a-rewind", RewindsGivenUp = "rewinds-given-up", ViewsInRewind = "points-checked-in-a-rewind",
        UndoShared = "undo-bytes-shared", AppliedShared = "applied-bytes-shared";

    private static readonly string[] Names =
    [
        PowerLosses, Kills, CrashesInRecovery, TornTails, Redone, Retirements, Recycled, HandDowns, Undos, Checkpoints, ViewsOverRetirement, ViewsClosed, SecondLooks, PointsChecked, HolesChecked,
        JournalFull, DiskFull, ReadErrors, Resends, GivenUp, CleanReopens, ReadOnlyOpens, BitFlips, BitFlipsNamed, Bookmarks, Rounds, Records,
        Rewinds, RewindsForward, CrashesInRewind, RewindsGivenUp, ViewsInRewind,
        UndoShared, AppliedShared,
    ];

    private readonly Dictionary<string, long> counts = Names.ToDictionary(n => n, _ => 0L);

    /// <summary>Events that did not happen.</summary>
    public IEnumerable<string> Missing => Names.Where(n => counts[n] == 0);

    public long this[string name] => counts[name];

    public void Add(string name, long count = 1) => counts[name] += count;

    public void Add(SimulationCounters other)
    {
        foreach (var name in Names) counts[name] += other.counts[name];
    }

    public override string ToString() => string.Join(' ', Names.Select(n => string.Create(CultureInfo.InvariantCulture, $"{n}={counts[n]}")));
}
