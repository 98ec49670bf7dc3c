using System.Globalization;

namespace VmRepl.Simulation.Workload;

/// <summary>How often the events happened that the simulation is there for. A long run in which one of them never did has shown nothing about it.</summary>
public sealed class SimulationCounters
{
    public const string PowerLosses = "power-losses", Kills = "kills", CrashesInRecovery = "crashes-in-recovery", ErrorsInRecovery = "errors-in-recovery", TornTails = "torn-tails", Redone = "records-redone",
        Retirements = "retirements", Recycled = "segments-recycled", HandDowns = "hand-downs", VoidBytes = "void-bytes-given-back", CrashesInRetirement = "crashes-in-a-retirement", CrashesInHandDown = "crashes-in-a-hand-down",
        Undos = "undos", Checkpoints = "checkpoints",
        ViewsOverRetirement = "views-over-a-retirement", ViewsClosed = "views-that-gave-way", SecondLooks = "appends-inside-a-view's-read", BlocksRead = "reads-of-blocks-known-before", BlocksSecondLooks = "appends-inside-a-read-of-blocks", BlocksAtOnce = "appends-inside-a-read-of-live-at-once", PointsChecked = "points-checked", HolesChecked = "hole-blocks-checked",
        JournalFull = "journal-full", DiskFull = "disk-full", ReadErrors = "read-errors", WriteErrors = "write-errors", FlushErrors = "flush-errors",
        PunchErrors = "punch-errors", VoidsNotGivenBack = "punch-errors-of-void-copies", VolumesWithoutHoles = "volumes-without-holes", Resends = "batches-resent", GivenUp = "batches-given-up",
        LostFlushes = "lost-flushes", LostFlushesNamed = "lost-flushes-named", FoundBehind = "found-behind", Reconnects = "reconnects",
        CleanReopens = "clean-reopens", ReadOnlyOpens = "read-only-opens", Bookmarks = "bookmarks", Rounds = "rounds", Records = "records", ResyncsOverRestart = "resyncs-open-over-a-restart",
        Rewinds = "rewinds", RewindsForward = "rewinds-forward", CrashesInRewind = "crashes-in-a-rewind", RewindsGivenUp = "rewinds-given-up", RewindsOverRestart = "rewinds-cut-by-a-restart",
        ViewsInRewind = "points-checked-in-a-rewind",
        MomentsFollowed = "moments-of-runs-taken", MomentsChecked = "moments-checked", MomentsRefused = "moments-refused",
        Scrubs = "scrubs", ScrubsBesideAppends = "scrubs-beside-appends", BitFlips = "bit-flips", BitFlipsNamed = "bit-flips-named", BitFlipsWhileOpen = "bit-flips-while-open", BitFlipsInLive = "bit-flips-in-a-live-image",
        BitFlipsThatSpoil = "bit-flips-that-spoil-points", BitFlipsThatClose = "bit-flips-that-close-the-group", CommitsMended = "commits-mended", DamageOfSeveralBits = "damage-of-several-bits",
        DigestFilesRemoved = "digest-files-removed", SparesRemoved = "spare-files-removed",
        IndexFilesSeen = "index-files-seen", IndexFilesRemoved = "index-files-removed", UndoShared = "undo-bytes-shared", AppliedShared = "applied-bytes-shared";

    private static readonly string[] Names =
    [
        PowerLosses, Kills, CrashesInRecovery, ErrorsInRecovery, TornTails, Redone, Retirements, Recycled, HandDowns, VoidBytes, CrashesInRetirement, CrashesInHandDown, Undos, Checkpoints,
        ViewsOverRetirement, ViewsClosed, SecondLooks, BlocksRead, BlocksSecondLooks, BlocksAtOnce, PointsChecked, HolesChecked, JournalFull, DiskFull, ReadErrors, WriteErrors, FlushErrors, PunchErrors, VoidsNotGivenBack, VolumesWithoutHoles, Resends, GivenUp, LostFlushes, LostFlushesNamed, FoundBehind, Reconnects,
        CleanReopens, ReadOnlyOpens, Bookmarks, Rounds, Records, ResyncsOverRestart, Rewinds, RewindsForward, CrashesInRewind, RewindsGivenUp, RewindsOverRestart, ViewsInRewind, MomentsFollowed, MomentsChecked, MomentsRefused,
        Scrubs, ScrubsBesideAppends, BitFlips, BitFlipsNamed, BitFlipsWhileOpen, BitFlipsInLive, BitFlipsThatSpoil, BitFlipsThatClose, CommitsMended, DamageOfSeveralBits, DigestFilesRemoved, SparesRemoved, IndexFilesSeen, IndexFilesRemoved, UndoShared, AppliedShared,
    ];

    private readonly Dictionary<string, long> counts = Names.ToDictionary(n => n, _ => 0L);

    /// <summary>Events that did not happen. A journal small enough to be all in memory has no index files to be removed.</summary>
    public IEnumerable<string> Missing => Names.Where(n => counts[n] == 0 && n != IndexFilesSeen && (n != IndexFilesRemoved || counts[IndexFilesSeen] > 0));

    public long this[string name] => counts[name];

    public void Add(string name, long count = 1) => counts[name] += count;

    public void Add(SimulationCounters other)
    {
        foreach (var name in Names) counts[name] += other.counts[name];
    }

    public override string ToString() => string.Join(' ', Names.Select(n => string.Create(CultureInfo.InvariantCulture, $"{n}={counts[n]}")));
}
