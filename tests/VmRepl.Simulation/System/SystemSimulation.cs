using Microsoft.Extensions.Logging.Abstractions;
using VmRepl.Replication.Source.Following;
using VmRepl.Simulation.Storage;

namespace VmRepl.Simulation.System;

/// <summary>
/// A source that follows two disks under the writes of its guests, a replica, and the network between them, through one seed: crashes of either side, of both, connections cut at any byte, half-open, slow, and late; full
/// volumes, clocks that are set, a replica restored from an old copy.
/// <para>It checks, and the classes beside it say how: that what is offered as a point is a moment of the group; that both sides are equal when it is said so; that each difference is marked, at any moment; that what was promised
/// is there; that a point once offered stays and does not change.</para>
/// <para>Not checked here: the journal below (the other simulation does), several groups, image formats, real threads.</para>
/// </summary>
internal sealed partial class SystemSimulation
{
    private const long StepsMax = 3_000_000;
    private const int GuestCount = 4;

    private readonly SeededRandom random;
    private readonly SimulatedScheduler scheduler;
    private readonly SimulatedTime time;
    private readonly SimulatedNetwork network;
    private readonly WriteHistory history;
    private readonly ReplicaMachine replica;
    private readonly SourceMachine source;
    private readonly FollowOptions options;
    private readonly int[] lengths;
    private readonly Dictionary<ulong, ulong> seenPoints = [];
    private readonly Dictionary<ulong, ulong> seenMoments = [];
    private readonly List<(string Name, long Include, long Exclude)> bookmarks = [];
    private readonly HashSet<ulong> given = [];
    private ulong? reused;
    private SimulatedVolume? oldCopy;
    private HashSet<ulong> pointsOfCopy = [];
    private bool isCopyOfAnchor;
    private bool isReplicaTrusted = true;
    private int writing;
    private bool isPaused;
    private bool isOver;

    public SystemSimulation(ulong seed, Action<string>? trace = null)
    {
        random = new SeededRandom(seed);
        Log = new EventLog { Trace = trace };
        scheduler = new SimulatedScheduler(new SeededRandom(random.Next64()), Log, StepsMax) { AfterStep = AfterStep };
        time = scheduler.Time;
        lengths = [.. Enumerable.Range(0, 2).Select(_ => (int)random.Between(4, 40) * (64 << 10))];
        history = new WriteHistory([.. lengths.Select(n => n / 512)]);
        network = new SimulatedNetwork(time, new SeededRandom(random.Next64()), Counters, Log) { Latency = random.Pick([TimeSpan.Zero, TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(20), TimeSpan.FromMilliseconds(200)]) };
        options = new FollowOptions
        {
            Acknowledgement = random.Pick(Enum.GetValues<AcknowledgementMode>()),
            OnLoss = random.Chance(0.4) ? LossRule.Stop : LossRule.Continue,
            BufferBytes = random.Chance(0.5) ? random.Between(1, 8) << 17 : 64 << 20,
            Lease = TimeSpan.FromSeconds(random.Between(1, 6)),
            AnchorEvery = TimeSpan.FromMilliseconds(random.Between(500, 8000)),
            SemiSyncLagBytes = random.Between(1, 64) << 14,
        };
        options = options with { GoneAfter = options.Lease * 2 };
        var log = trace is null ? NullLogger.Instance : (Microsoft.Extensions.Logging.ILogger)new TraceLogger(time, trace);
        replica = new ReplicaMachine(time, new SeededRandom(random.Next64()), network, log);
        source = new SourceMachine(time, new SeededRandom(random.Next64()), network, history, options, lengths, Counters, log);
    }

    public EventLog Log { get; }

    public SystemCounters Counters { get; } = new();

    public long Steps => scheduler.Steps;

    /// <exception cref="SimulationFailureException">Something that must hold does not.</exception>
    public void Run()
    {
        Plant.SequenceGiven = sequence => reused = given.Add(sequence) ? reused : sequence;
        Plant.AnchorBegun = OnAnchorBegun;
        try
        {
            scheduler.Run(MainAsync);
        }
        finally
        {
            Plant.SequenceGiven = null;
            Plant.AnchorBegun = null;
        }
    }

    private async Task MainAsync()
    {
        StartReplica();
        StartSource();
        for (var steps = random.Between(30, 80); steps > 0; steps--)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(random.Between(1, random.Pick([20, 500, 4000]))), time);
            await ActAsync();
        }

        await QuiesceAsync();
        await CheckFencingAsync();
        await CheckReplicaAsync();
        isOver = true;
    }

    /// <summary>One more thing that happens.</summary>
    private async Task ActAsync()
    {
        if (isCopyOfAnchor && random.Chance(0.1))
        {
            RestoreCopy();
            return;
        }

        if (!replica.IsUp)
        {
            StartReplica();
            return;
        }

        if (!source.IsUp)
        {
            if (random.Chance(0.1)) StepClock();
            StartSource();
            return;
        }

        var choice = random.Between(0, 99);
        if (choice < 18) CutNow();
        else if (choice < 24) Slow();
        else if (choice < 29) Bar();
        else if (choice < 36) PlanCrash(source.Volume, isSource: true);
        else if (choice < 43) PlanCrash(replica.Volume, isSource: false);
        else if (choice < 46) CrashBoth();
        else if (choice < 49) await StopSourceAsync();
        else if (choice < 52) TakeCopy();
        else if (choice < 54) RestoreCopy();
        else if (choice < 58) StepClock();
        else if (choice < 61) FillReplica();
        else if (choice < 63) FillSource();
        else if (choice < 70) await BookmarkAsync();
        else if (choice < 76) CheckPoints();
        else if (choice < 82) await QuiesceAsync();
        else if (choice < 86) CrashNow(source.Volume, isSource: true);
        else if (choice < 90) CrashNow(replica.Volume, isSource: false);
    }

    private void AfterStep()
    {
        Require(reused is null, $"sequence {reused} was given out twice");
        if (source.Follower is not null && source.Volume.IsDown) SourceIsDown(source.Volume.CrashedAs!.Value);
        if (replica.WasUp && replica.Volume.IsDown) ReplicaIsDown(replica.Volume.CrashedAs!.Value);
        if (scheduler.Steps % 500 == 0) CheckMarks("in the middle");
    }
}
