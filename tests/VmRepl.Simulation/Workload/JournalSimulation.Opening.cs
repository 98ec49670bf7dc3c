using VmRepl.Images;
using VmRepl.Journal;
using VmRepl.Journal.Points;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Records;
using VmRepl.Simulation.Storage;
using static VmRepl.Simulation.Workload.GroupChecker;

namespace VmRepl.Simulation.Workload;

/// <content>Opening and closing, and what must hold afterwards.</content>
public sealed partial class JournalSimulation
{
    private const string GroupName = "group";

    private static readonly string[] Directories = [Journal, Live];

    // Power was lost since the last opening, and flushes with it that had been acknowledged.
    private bool flushesAreLost;

    private SimulatedDirectory StoreDirectory => volume.Directory("store");

    private SimulatedDirectory GroupDirectory => (SimulatedDirectory)StoreDirectory.Directory("groups").Directory(GroupName);

    /// <summary>Brings the machine up and recovers, unless the seed wants another crash or an error in the middle of it; then it is for the next step.</summary>
    private void Open()
    {
        flushesAreLost |= volume.LostFlushes;
        volume.Restart();
        volume.CapacityBytes = RoomyBytes;
        if (random.Chance(0.3)) RemoveWhatMayBeRemoved();
        PlanFaultInRecovery();
        try
        {
            if (!flushesAreLost && random.Chance(0.15)) CheckReadOnly();
            group = OpenGroup();
        }
        catch (SimulatedCrashException)
        {
            Counters.Add(SimulationCounters.CrashesInRecovery);
            Abandon();
            return;
        }
        catch (Exception e) when (flushesAreLost && volume.SomeSurviveLostFlushes && e is JournalDamagedException or StoreException or ImageFormatException && FaultOf(e) is null)
        {
            // Later parts are there and earlier ones are not: that is damage, and it is named. A new baseline is all that is left.
            Counters.Add(SimulationCounters.LostFlushesNamed);
            isOver = true;
            return;
        }
        catch (Exception e) when (FaultOf(e) is not null)
        {
            Counters.Add(SimulationCounters.ErrorsInRecovery);
            Abandon();
            return;
        }

        volume.CrashAt = long.MaxValue;
        volume.CrashWhenGoes = null;
        volume.CrashAtFlushIf = null;
        volume.FailReadIn = volume.FailWriteIn = volume.FailPunchIn = volume.FailFlushIn = 0;
        volume.CapacityBytes = RoomyBytes;
        mustReopen = false;
        counted = new JournalCounters();
        if (group.Journal.Counters.TailWasTorn) Counters.Add(SimulationCounters.TornTails);
        NoteCounters();
        Settle();
        CheckPoints(group, oracle);
        NoteOpenRound();
        // Of what survived nothing but the journal's own end is known to be as it was.
        if (!baselineIsDone || isUntrusted) return;
        CheckLive(group, oracle);
        CheckSomePoints(group, 2);
    }

    private void PlanFaultInRecovery()
    {
        if (wasKilledInRetirement && random.Chance(0.8))
        {
            // What it had written and not flushed says that a segment may go; power is lost just when it has gone.
            wasKilledInRetirement = false;
            PlanCrashInRetirement(CrashKind.PowerLoss);
            return;
        }

        var choice = random.Between(0, 99);
        if (choice < 22) PlanCrash(12);
        else if (choice < 25) PlanCrashInRetirement(AnyCrash());
        else if (choice < 29) volume.FailReadIn = random.Between(1, 30);
        else if (choice < 32) volume.FailWriteIn = random.Between(1, 8);
        else if (choice < 36) volume.FailFlushIn = random.Between(1, 6);
        else if (choice < 38) volume.FailPunchIn = 1;
        else if (choice < 41) volume.CapacityBytes = volume.UsedBytes + random.Between(0, 8 << 10);
    }

    private GroupStore OpenGroup()
    {
        store = null;
        // The directory is the administrator's; it was there before.
        StoreDirectory.Create();
        volume.FlushRoot();
        store = ReplicaStore.OpenForWriting(StoreDirectory, settings);
        return store.Find(GroupName) ?? store.Create(new GroupDescription(GroupName, Guid.Empty, 1, disks));
    }

    /// <summary>Compares what is there with what was acknowledged, and decides what becomes of the rest.</summary>
    private void Settle()
    {
        var position = group!.Journal.Position;
        var attempted = oracle.Newest;
        Require(position.Durable >= acknowledged || flushesAreLost, $"{acknowledged} was acknowledged, {position.Durable} is there");
        Require(position.Start >= newestStart || flushesAreLost, $"the start went back from {newestStart} to {position.Start}");
        newestStart = position.Start;
        if (position.Durable > 0 && oracle.Records.Count > 0)
            Require(position.Durable <= attempted, $"{attempted} was the last one sent, {position.Durable} is there");
        var isBehind = position.Durable < acknowledged;
        var source = isBehind ? new SourceState(oracle.Contents(attempted), oracle.Metadata(attempted)) : null;
        var lost = oracle.Truncate(position.Durable);
        Require(oracle.Newest == position.Durable || oracle.Records.Count == 0, $"{position.Durable} is the newest one there, and nothing of that number was sent");
        acknowledged = isBehind ? oracle.Newest : Math.Max(acknowledged, oracle.Newest);
        baselineIsDone = oracle.Records.Any(r => r.Header.Kind == RecordKind.ResyncEnd);
        maker.AdvanceBehind(position.Durable, group.Journal.NewestTimeUs);
        resend = [.. resend.Where(r => r.Header.Sequence > position.Durable)];
        SettleLostFlushes(source);
        if (lost.Count == 0) return;
        // A source sends again what was not acknowledged, or gives it up and leaves a gap; a baseline begins anew.
        resend = [];
        // What a rewind did not get done is not the source's to send.
        if (baselineIsDone && !isRewinding && owed is null && random.Chance(0.7)) resend = lost;
        else Counters.Add(SimulationCounters.GivenUp);
    }

    /// <summary>A round that was begun before the restart and is not ended.</summary>
    private void NoteOpenRound()
    {
        Require(group!.Journal.ResyncIsOpen == oracle.ResyncIsOpen, $"a round is {(oracle.ResyncIsOpen ? "open" : "not open")}, and the journal does not say so");
        if (!oracle.ResyncIsOpen || !baselineIsDone) return;
        var begin = oracle.Records.Last(r => r.Header.Kind == RecordKind.ResyncBegin).Header;
        Counters.Add(begin.Attributes?.ContainsKey(RecordAttribute.RewindTo) == true ? SimulationCounters.RewindsOverRestart : SimulationCounters.ResyncsOverRestart);
    }

    /// <summary>The group is gone from memory; what it wrote is what it is.</summary>
    private void Abandon()
    {
        views.Clear();
        NoteCounters();
        group = null;
        counted = null;
        if (volume.IsDown) return;
        // Not a crash but an error: the journal has failed and says so, and is closed like any other.
        try
        {
            store?.Dispose();
        }
        catch (SimulatedCrashException)
        {
            // The crash that was planned came while the files were closed.
        }
    }

    private void Close(bool isClean)
    {
        CloseViews();
        NoteCounters();
        if (isClean)
        {
            Counters.Add(SimulationCounters.CleanReopens);
            store!.Dispose();
        }
        else
        {
            volume.CrashKind = CrashKind.ProcessKill;
            Counters.Add(SimulationCounters.Kills);
            volume.Crash(CrashKind.ProcessKill);
        }

        group = null;
        counted = null;
    }

    /// <summary>What may be missing at any time goes missing, while nothing is open: copies of what records and live images say, and files kept to be used again. No answer changes.</summary>
    private void RemoveWhatMayBeRemoved()
    {
        if (!GroupDirectory.Exists) return;
        foreach (var directory in Directories.Select(n => (SimulatedDirectory)GroupDirectory.Directory(n)).Where(d => d.Exists))
        {
            foreach (var name in directory.ListFiles())
            {
                var counter = name.StartsWith("index-", StringComparison.Ordinal) ? SimulationCounters.IndexFilesRemoved
                    : name.StartsWith("regions-", StringComparison.Ordinal) ? SimulationCounters.DigestFilesRemoved
                    : name.StartsWith("spare-", StringComparison.Ordinal) ? SimulationCounters.SparesRemoved : null;
                if (counter == SimulationCounters.IndexFilesRemoved) Counters.Add(SimulationCounters.IndexFilesSeen);
                if (counter is null || random.Chance(0.5)) continue;
                directory.Delete(name);
                Counters.Add(counter);
            }

            if (random.Chance(0.5)) directory.Flush();
        }
    }

    /// <summary>A restore from a bare store, without the recovery that an owner does.</summary>
    private void CheckReadOnly()
    {
        if (!baselineIsDone) return;
        using var readers = ReplicaStore.OpenForReading(StoreDirectory, settings);
        var reader = readers.Get(GroupName);
        Counters.Add(SimulationCounters.ReadOnlyOpens);
        Require(reader.Journal.Position.Durable >= acknowledged, $"{acknowledged} was acknowledged, {reader.Journal.Position.Durable} is there for a reader");
        CheckSomePoints(reader, 1);
    }

    private void CheckSomePoints(GroupStore from, int count)
    {
        var points = from.Journal.Points;
        for (; count > 0 && points.Count > 0; count--)
        {
            using var view = from.OpenView(random.Pick(points));
            CheckView(view, oracle, Counters);
            CheckAnyMoment(from);
        }
    }

    private void CheckEverything()
    {
        if (!baselineIsDone) return;
        CheckPoints(group!, oracle);
        CheckLive(group!, oracle);
        foreach (var open in views.Where(v => !v.View.IsClosed)) CheckView(open.View, oracle, Counters);
        foreach (var point in group!.Journal.Points.DistinctBy(p => p.Sequence))
        {
            using var view = group.OpenView(point);
            CheckView(view, oracle, Counters);
        }

        for (var i = 0; i < MomentsAtEnd; i++) CheckAnyMoment(group);
    }

    /// <summary>Takes over what the open journal counted since it was last asked.</summary>
    private void NoteCounters()
    {
        if (group?.Journal.Counters is not { } now || counted is not { } before) return;
        retired += now.SegmentsRetired - before.SegmentsRetired;
        Counters.Add(SimulationCounters.Retirements, now.SegmentsRetired - before.SegmentsRetired);
        Counters.Add(SimulationCounters.Recycled, now.SegmentsRecycled - before.SegmentsRecycled);
        Counters.Add(SimulationCounters.HandDowns, now.HandDowns - before.HandDowns);
        Counters.Add(SimulationCounters.VoidBytes, now.VoidBytes - before.VoidBytes);
        Counters.Add(SimulationCounters.Undos, now.UndoRecords - before.UndoRecords);
        Counters.Add(SimulationCounters.Checkpoints, now.Checkpoints - before.Checkpoints);
        Counters.Add(SimulationCounters.Redone, now.RecordsRedone - before.RecordsRedone);
        Counters.Add(SimulationCounters.UndoShared, now.UndoBytesShared - before.UndoBytesShared);
        Counters.Add(SimulationCounters.AppliedShared, now.AppliedBytesShared - before.AppliedBytesShared);
        counted = now.Copy();
    }
}
