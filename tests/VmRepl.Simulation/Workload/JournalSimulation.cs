using VmRepl.Blocks.Files;
using VmRepl.Journal;
using VmRepl.Journal.Points;
using VmRepl.Journal.Store;
using VmRepl.Journal.Views;
using VmRepl.Protocol.Records;
using VmRepl.Simulation.Storage;
using static VmRepl.Simulation.Workload.GroupChecker;

namespace VmRepl.Simulation.Workload;

/// <summary>
/// One group on one simulated volume through one seed: batches, rounds, bookmarks, views, checkpoints, full volumes, errors, crashes at any change and crashes in recoveries,
/// against an oracle that is a list of every record.
/// <para>States: closed (nothing is open, the volume may have crashed), open. Every way from open to closed keeps the batch in flight in <c>oracle</c>;
/// the next opening says how much of it is there.</para>
/// </summary>
public sealed partial class JournalSimulation
{
    private const int StepsMin = 60, StepsMax = 220;
    private const long RoomyBytes = 1L << 30;

    private readonly SeededRandom random;
    private readonly SimulatedVolume volume;
    private readonly SimulatedClock clock = new();
    private readonly RecordMaker maker;
    private readonly Oracle oracle;
    private readonly byte[][] baseline;
    private readonly List<DiskDescription> disks = [];
    private readonly List<OpenView> views = [];
    private readonly bool hasReserve;

    private StoreSettings settings;
    private ReplicaStore? store;
    private GroupStore? group;
    private JournalCounters? counted;
    private ulong acknowledged;
    private ulong newestStart;
    private long retired;
    private bool baselineIsDone;
    private bool mustReopen;
    private List<Record> resend = [];

    public JournalSimulation(ulong seed)
    {
        random = new SeededRandom(seed);
        volume = new SimulatedVolume(random.Next64(), RoomyBytes) { SharesExtents = seed % 4 != 0 };
        hasReserve = random.Chance(0.5);
        int[] diskBytes = [.. Enumerable.Range(0, (int)random.Between(1, 2)).Select(_ => (int)random.Between(1, 32) * (128 << 10))];
        maker = new RecordMaker(random, clock, diskBytes);
        baseline = [.. diskBytes.Select(n => new byte[n])];
        bool[][] holes = [.. diskBytes.Select(n => Enumerable.Repeat(true, n / Oracle.BlockBytes).ToArray())];
        for (var i = 0; i < diskBytes.Length; i++)
        {
            disks.Add(new DiskDescription((uint)i + 1, $"d{i}", diskBytes[i], 512, "raw"));
            for (var block = 0; block < holes[i].Length; block++)
            {
                if (!random.Chance(0.3)) continue;
                RecordMaker.Payload((ulong)block << 20, Oracle.BlockBytes, false).CopyTo(baseline[i], block * Oracle.BlockBytes);
                holes[i][block] = false;
            }
        }

        oracle = new Oracle(baseline, holes);
        settings = new StoreSettings
        {
            NewGuid = NewGuid,
            Time = clock,
            Journal = new JournalOptions
            {
                SegmentBytes = 1 << 20,
                CapacityBytes = random.Between(4, 12) << 20,
                AgeMax = random.Chance(0.3) ? TimeSpan.FromMinutes(5) : TimeSpan.FromDays(14),
                FreeBytesMin = hasReserve ? 4 << 20 : 0,
                CheckpointBytes = random.Between(1, 16) << 18,
                NewNonce = random.Next64,
                ShareNewContents = seed % 2 != 0,
            },
        };
    }

    public SimulationCounters Counters { get; } = new();

    /// <exception cref="SimulationFailureException">Something that must hold does not.</exception>
    public void Run()
    {
        Guarded(Open);
        for (var steps = random.Between(StepsMin, StepsMax); steps > 0; steps--)
        {
            if (group is null) Open();
            else Guarded(Step);
        }

        volume.CapacityBytes = RoomyBytes;
        volume.Restart();
        if (group is null) Open();
        CheckEverything();
        CloseViews();
        Close(isClean: true);
        CheckAtRest();
    }

    /// <summary>Runs something that a crash or an error of the volume may cut off; afterwards the group may be closed.</summary>
    private void Guarded(Action action)
    {
        try
        {
            action();
        }
        catch (SimulatedCrashException)
        {
            Counters.Add(volume.CrashKind == CrashKind.PowerLoss ? SimulationCounters.PowerLosses : SimulationCounters.Kills);
            Abandon();
        }
        catch (JournalFullException)
        {
            Counters.Add(SimulationCounters.JournalFull);
            MakeRoom();
        }
        catch (IOException e) when (e.Message.Contains("(simulated)", StringComparison.Ordinal) || e.InnerException?.Message.Contains("(simulated)", StringComparison.Ordinal) == true)
        {
            Counters.Add(e.Message.Contains("space", StringComparison.Ordinal) ? SimulationCounters.DiskFull : SimulationCounters.ReadErrors);
            volume.CapacityBytes = RoomyBytes;
            Abandon();
        }
        finally
        {
            volume.BeforeRead = null;
        }
    }

    /// <summary>What an administrator does about a full journal: ends views, gives space.</summary>
    private void MakeRoom()
    {
        CloseViews();
        volume.CapacityBytes = RoomyBytes;
        if (!random.Chance(0.5)) return;
        settings = settings with { Journal = settings.Journal with { CapacityBytes = settings.Journal.CapacityBytes + (4 << 20) } };
        mustReopen = true;
    }

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

        var choice = random.Between(0, 99);
        if (choice < 60) AppendBatch();
        else if (choice < 66) group!.Journal.Checkpoint();
        else if (choice < 72) OpenOneView();
        else if (choice < 80) CheckOneView();
        else if (choice < 83) CheckOnePoint();
        else if (choice < 85) Rewind();
        else if (choice < 87) Close(isClean: random.Chance(0.7));
        else if (choice < 89) volume.CapacityBytes = volume.UsedBytes + random.Between(0, 6 << 20);
        else if (choice < 91) volume.FailReadIn = random.Between(1, 12);
        else if (choice < 97) PlanCrash(40);
        else volume.CapacityBytes = RoomyBytes;
    }

    private void PlanCrash(long within)
    {
        volume.CrashKind = random.Chance(0.7) ? CrashKind.PowerLoss : CrashKind.ProcessKill;
        volume.CrashAt = volume.IoCount + random.Between(1, within);
    }

    /// <summary>The first transfer goes past the journal; cut off, it is done again from the beginning.</summary>
    private void DoBaseline()
    {
        if (random.Chance(0.2)) PlanCrash(60);
        for (var i = 0; i < baseline.Length; i++)
        {
            for (var at = 0; at < baseline[i].Length; at += Oracle.BlockBytes)
            {
                var block = baseline[i].AsMemory(at, Oracle.BlockBytes);
                var isHole = block.Span.IndexOfAnyExcept((byte)0) < 0;
                group!.ApplyBaseline([Record.Create(
                    new RecordHeader { Kind = isHole ? RecordKind.Punch : RecordKind.Write, Sequence = 1, Disk = (uint)i + 1, Offset = at, Length = Oracle.BlockBytes }, isHole ? default : block)]);
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
        var journal = group!.Journal;
        var isOpen = journal.ResyncIsOpen;
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

        // A point named later on; the first retirement of the batch may be about to take it, so the newest one.
        if (random.Chance(0.05) && journal.Points.Count > 0) batch.Add(maker.Bookmark(journal.Points[^1].Sequence));
        return batch;
    }

    /// <summary>Appends; what a crash leaves of the batch is found out at the next opening.</summary>
    private void Send(List<Record> batch)
    {
        var before = group!.Journal.Position;
        oracle.Add(batch);
        try
        {
            group.Append(batch);
        }
        catch (JournalFullException)
        {
            _ = oracle.Truncate(batch[0].Header.Sequence - 1);
            Require(group.Journal.Position.Durable == before.Durable, "a refused batch was taken in part");
            resend = batch;
            throw;
        }

        resend = [];
        acknowledged = batch[^1].Header.Sequence;
        Counters.Add(SimulationCounters.Records, batch.Count);
        var position = group.Journal.Position;
        Require(position.Durable == acknowledged && position.Applied == acknowledged, $"acknowledged {acknowledged}, but durable {position.Durable} and applied {position.Applied}");
        Require(position.Start >= newestStart && position.Start <= position.Checkpoint, $"start {position.Start}, was {newestStart}, checkpoint {position.Checkpoint}");
        newestStart = position.Start;
        CheckPoints(group, oracle);
        NoteCounters();
    }

    private void OpenOneView()
    {
        var points = group!.Journal.Points;
        if (points.Count == 0 || views.Count >= 3) return;
        // Old ones more often: those are the ones that retirement comes near.
        var point = points[(int)random.Between(0, random.Chance(0.5) ? Math.Min(2, points.Count - 1) : points.Count - 1)];
        views.Add(new OpenView(group.OpenView(point), retired));
    }

    private void CheckOneView()
    {
        if (views.Count == 0) return;
        var open = random.Pick(views);
        if (random.Chance(0.6)) volume.BeforeRead = AppendWhileReading;
        try
        {
            CheckView(open.View, oracle, Counters);
        }
        catch (ViewClosedException) when (open.View.IsClosed)
        {
            // It gave way at a hard limit; it may have done so in the middle of this.
            Counters.Add(SimulationCounters.ViewsClosed);
            open.View.Dispose();
            views.Remove(open);
            return;
        }
        finally
        {
            volume.BeforeRead = null;
        }

        Require(!open.View.IsClosed, "a view that gave way was read to its end");
        if (retired > open.RetiredBefore) Counters.Add(SimulationCounters.ViewsOverRetirement);
        if (random.Chance(0.5)) return;
        open.View.Dispose();
        views.Remove(open);
    }

    /// <summary>Another thread gets its turn between a view's first look and its read of the live image.</summary>
    private void AppendWhileReading(string path)
    {
        if (!path.Contains("/live/", StringComparison.Ordinal) || !random.Chance(0.5)) return;
        volume.BeforeRead = null;
        Counters.Add(SimulationCounters.SecondLooks);
        try
        {
            AppendBatch();
        }
        catch (JournalFullException)
        {
            Counters.Add(SimulationCounters.JournalFull);
        }

        volume.BeforeRead = AppendWhileReading;
    }

    private void CheckOnePoint()
    {
        var points = group!.Journal.Points;
        if (points.Count == 0) return;
        using var view = group.OpenView(random.Pick(points));
        CheckView(view, oracle, Counters);
    }

    private void CloseViews()
    {
        foreach (var view in views) view.View.Dispose();
        views.Clear();
    }

    private Guid NewGuid()
    {
        var bytes = new byte[16];
        random.Fill(bytes);
        return new Guid(bytes);
    }
}
