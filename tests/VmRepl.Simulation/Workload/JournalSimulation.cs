using VmRepl.Journal;
using VmRepl.Journal.Store;
using VmRepl.Journal.Views;
using VmRepl.Protocol.Records;
using VmRepl.Simulation.Storage;
using static VmRepl.Simulation.Workload.GroupChecker;

namespace VmRepl.Simulation.Workload;

/// <summary>
/// One group on one simulated volume through one seed: batches, rounds, bookmarks, views, rewinds, scrubs, checkpoints, full volumes, errors, lost flushes, crashes at any change and crashes in recoveries,
/// against an oracle that is a list of every record.
/// <para>States: closed (nothing is open, the volume may have crashed), open. Every way from open to closed keeps the batch in flight in <c>oracle</c>;
/// the next opening says how much of it is there.</para>
/// </summary>
public sealed partial class JournalSimulation
{
    private const int StepsMin = 60, StepsMax = 180;
    private const long RoomyBytes = 1L << 30;

    // In each of so many worlds one writes many single blocks, and its views are read block by block as well.
    private const ulong SeedsForOneOfBlocks = 4;

    private readonly SeededRandom random;
    private readonly SimulatedVolume volume;
    private readonly SimulatedClock clock = new();
    private readonly RecordMaker maker;
    private readonly Oracle oracle;
    private readonly ulong[][] baseline;
    private readonly List<DiskDescription> disks = [];
    private readonly List<OpenView> views = [];

    private StoreSettings settings;
    private ReplicaStore? store;
    private GroupStore? group;
    private JournalCounters? counted;
    private ulong acknowledged;
    private ulong newestStart;
    private long retired;
    private readonly bool isOfBlocks;
    private bool baselineIsDone;
    private bool mustReopen;
    private bool isOver;
    private List<Record> resend = [];

    public JournalSimulation(ulong seed)
    {
        random = new SeededRandom(seed);
        volume = new SimulatedVolume(random.Next64(), RoomyBytes) { SharesExtents = random.Chance(0.5), WritesBackEarly = random.Chance(0.5), PunchesHoles = random.Chance(0.8), PunchFailed = NotePunchError };
        int[] diskBytes = [.. Enumerable.Range(0, (int)random.Between(1, 2)).Select(_ => (int)random.Between(1, 24) * (128 << 10))];
        isOfBlocks = seed % SeedsForOneOfBlocks == 1;
        maker = new RecordMaker(random, clock, diskBytes) { WritesBlocks = isOfBlocks };
        baseline = [.. diskBytes.Select(n => new ulong[n / RecordMaker.SectorBytes])];
        bool[][] holes = [.. diskBytes.Select(n => Enumerable.Repeat(true, n / Oracle.BlockBytes).ToArray())];
        for (var i = 0; i < diskBytes.Length; i++)
        {
            disks.Add(new DiskDescription((uint)i + 1, $"d{i}", diskBytes[i], 512, "raw"));
            for (var block = 0; block < holes[i].Length; block++)
            {
                if (!random.Chance(0.3)) continue;
                for (var sector = 0; sector < SectorsInBlock; sector++) baseline[i][(block * SectorsInBlock) + sector] = RecordMaker.Stamp((ulong)block << 20, sector);
                holes[i][block] = false;
            }
        }

        oracle = new Oracle(baseline, holes, volume.PunchesHoles);
        if (!volume.PunchesHoles) Counters.Add(SimulationCounters.VolumesWithoutHoles);
        settings = MakeSettings();
    }

    public SimulationCounters Counters { get; } = new();

    private const int SectorsInBlock = Oracle.BlockBytes / RecordMaker.SectorBytes;

    /// <exception cref="SimulationFailureException">Something that must hold does not.</exception>
    public void Run()
    {
        Guarded(Open);
        for (var steps = random.Between(StepsMin, StepsMax); steps > 0 && !isOver; steps--)
        {
            if (group is null) Guarded(Open);
            else Guarded(Step);
        }

        if (isOver) return;
        EndFaults();
        while (group is null && !isOver) Guarded(Open);
        if (isOver || isUntrusted) return;
        CheckEverything();
        CloseViews();
        if (baselineIsDone) CheckClean();
        Close(isClean: true);
        CheckAtRest();
    }

    /// <summary>Every limit that can be small is: what happens once in a terabyte has to happen here.</summary>
    private StoreSettings MakeSettings() => new()
    {
        NewGuid = NewGuid,
        Time = clock,
        Journal = new JournalOptions
        {
            SegmentBytes = 1 << 20,
            CapacityBytes = random.Between(4, 12) << 20,
            AgeMax = random.Chance(0.3) ? TimeSpan.FromMinutes(5) : TimeSpan.FromDays(14),
            FreeBytesMin = random.Chance(0.5) ? 4 << 20 : 0,
            CheckpointBytes = random.Between(1, 16) << 18,
            NewNonce = random.Next64,
            ShareNewContents = random.Chance(0.5),
        },
        IndexMemoryBytes = 1 << 20,
    };

    private void Step()
    {
        clock.Advance(TimeSpan.FromSeconds(random.Between(0, 20)));
        if (mustReopen)
        {
            Close(isClean: true);
            return;
        }

        if (!baselineIsDone)
        {
            DoBaseline();
            return;
        }

        if (owed is not null)
        {
            Reconnect();
            return;
        }

        var choice = random.Between(0, 999);
        if (choice < 590) AppendBatch();
        else if (choice < 640) group!.Journal.Checkpoint();
        else if (choice < 710) OpenOneView();
        else if (choice < 780) CheckOneView();
        else if (choice < 800) CheckOnePoint();
        else if (choice < 825) Rewind();
        else if (choice < 837) Scrub();
        else if (choice < 857) Close(isClean: random.Chance(0.7));
        else if (choice < 872) volume.CapacityBytes = volume.UsedBytes + random.Between(0, 6 << 20);
        else if (choice < 890) volume.CapacityBytes = RoomyBytes;
        else PlanFault();
    }

    /// <summary>The first transfer goes past the journal; cut off, it is done again from the beginning.</summary>
    private void DoBaseline()
    {
        if (random.Chance(0.2)) PlanCrash(60);
        for (var i = 0; i < baseline.Length; i++)
        {
            for (var block = 0; block < baseline[i].Length / SectorsInBlock; block++)
            {
                var stamps = baseline[i].AsSpan(block * SectorsInBlock, SectorsInBlock);
                var isHole = !stamps.ContainsAnyExcept(0UL);
                group!.ApplyBaseline([Record.Create(
                    new RecordHeader { Kind = isHole ? RecordKind.Punch : RecordKind.Write, Sequence = 1, Disk = (uint)i + 1, Offset = (long)block * Oracle.BlockBytes, Length = Oracle.BlockBytes },
                    isHole ? default : RecordMaker.Payload(stamps))]);
            }
        }

        Send([maker.Fact(RecordKind.ResyncBegin), maker.Metadata(), maker.Fact(RecordKind.ResyncEnd)]);
        baselineIsDone = true;
    }

    private void AppendBatch()
    {
        isRewinding = false;
        if (resend.Count > 0)
        {
            Counters.Add(SimulationCounters.Resends);
            Send(resend);
            return;
        }

        Send(NextBatch());
    }

    private List<Record> NextBatch()
    {
        var batch = new List<Record>();
        // The oracle's word: a round that a restart cut open is still open.
        var isOpen = oracle.ResyncIsOpen;
        for (var count = random.Between(1, random.Chance(0.2) ? 16 : 4); count > 0; count--)
        {
            if (!isOpen && random.Chance(0.1))
            {
                if (random.Chance(0.2)) maker.SkipSome();
                batch.Add(maker.Fact(RecordKind.ResyncBegin));
                isOpen = true;
            }

            batch.Add(random.Chance(0.06) ? maker.Metadata() : maker.Contents());
            if (isOpen && random.Chance(0.15))
            {
                var end = maker.Fact(RecordKind.ResyncEnd);
                batch.Add(end);
                isOpen = false;
                Counters.Add(SimulationCounters.Rounds);
                if (random.Chance(0.3)) batch.Add(maker.Bookmark(end.Header.Sequence));
            }
            else if (!isOpen && random.Chance(0.15))
            {
                batch.Add(maker.Bookmark(null));
                Counters.Add(SimulationCounters.Bookmarks);
            }
        }

        // A point named later on; the first retirement of the batch may be about to take it, so the newest one. In a run a bookmark names its own sequence.
        if (random.Chance(0.2) && group!.Journal.Points is [.., var point] && group.Journal.NewestPoint == point) batch.Add(maker.Bookmark(point.Sequence));
        return batch;
    }

    /// <summary>Appends; what a crash leaves of the batch is found out at the next opening.</summary>
    private void Send(List<Record> batch)
    {
        var before = group!.Journal.Position;
        oracle.Add(batch);
        try
        {
            // From the moment that it is told durable the source counts on it, whatever becomes of the rest of the call.
            group.Append(batch, () => acknowledged = batch[^1].Header.Sequence);
        }
        catch (JournalFullException)
        {
            _ = oracle.Truncate(batch[0].Header.Sequence - 1);
            Require(group.Journal.Position.Durable == before.Durable, "a refused batch was taken in part");
            resend = batch;
            throw;
        }

        resend = [];
        Require(acknowledged == batch[^1].Header.Sequence, "a batch was taken and not told durable");
        Counters.Add(SimulationCounters.Records, batch.Count);
        var position = group.Journal.Position;
        Require(position.Durable == acknowledged && position.Applied == acknowledged, $"acknowledged {acknowledged}, but durable {position.Durable} and applied {position.Applied}");
        Require(position.Start >= newestStart && position.Start <= position.Checkpoint, $"start {position.Start}, was {newestStart}, checkpoint {position.Checkpoint}");
        newestStart = position.Start;
        CheckPoints(group, oracle);
        NoteCounters();
    }

    private Guid NewGuid()
    {
        var bytes = new byte[16];
        random.Fill(bytes);
        return new Guid(bytes);
    }
}
