using VmRepl.Blocks.Files;
using VmRepl.Journal;
using VmRepl.Journal.Points;
using VmRepl.Journal.Store;
using VmRepl.Simulation.Storage;
using static VmRepl.Simulation.Workload.GroupChecker;

namespace VmRepl.Simulation.Workload;

/// <content>Opening and closing, and what must hold afterwards.</content>
public sealed partial class JournalSimulation
{
    private const string GroupName = "group";

    private SimulatedDirectory StoreDirectory => volume.Directory("store");

    /// <summary>Brings the machine up and recovers, through crashes in the recovery if the seed wants them.</summary>
    private void Open()
    {
        volume.Restart();
        volume.CapacityBytes = RoomyBytes;
        for (var attempt = 0; ; attempt++)
        {
            if (attempt < 4 && random.Chance(0.25)) PlanCrash(12);
            try
            {
                if (random.Chance(0.15)) CheckReadOnly();
                group = OpenGroup();
                volume.CrashAt = long.MaxValue;
                break;
            }
            catch (SimulatedCrashException)
            {
                Counters.Add(SimulationCounters.CrashesInRecovery);
                volume.Restart();
            }
        }

        mustReopen = false;
        counted = new JournalCounters();
        if (group.Journal.Counters.TailWasTorn) Counters.Add(SimulationCounters.TornTails);
        NoteCounters();
        Settle();
        CheckPoints(group, oracle);
        if (!baselineIsDone) return;
        CheckLive(group, oracle);
        CheckSomePoints(group, 2);
    }

    private GroupStore OpenGroup()
    {
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
        Require(position.Durable >= acknowledged, $"{acknowledged} was acknowledged, {position.Durable} is there");
        Require(position.Start >= newestStart, $"the start went back from {newestStart} to {position.Start}");
        newestStart = position.Start;
        if (position.Durable > 0 && oracle.Records.Count > 0)
            Require(position.Durable <= attempted, $"{attempted} was the last one sent, {position.Durable} is there");
        var lost = oracle.Truncate(position.Durable);
        acknowledged = Math.Max(acknowledged, oracle.Newest);
        baselineIsDone = oracle.Records.Any(r => r.Header.Kind == Protocol.Records.RecordKind.ResyncEnd);
        maker.AdvanceBehind(position.Durable);
        resend = [.. resend.Where(r => r.Header.Sequence > position.Durable)];
        if (lost.Count == 0) return;
        // A source sends again what was not acknowledged, or gives it up and leaves a gap; a baseline begins anew.
        resend = [];
        // What a rewind did not get done is not the source's to send.
        if (baselineIsDone && !isRewinding && random.Chance(0.7)) resend = lost;
        else Counters.Add(SimulationCounters.GivenUp);
    }

    /// <summary>The group is gone from memory; what it wrote is what it is.</summary>
    private void Abandon()
    {
        views.Clear();
        NoteCounters();
        var left = group;
        group = null;
        counted = null;
        if (volume.IsDown) return;
        // Not a crash but an error: the journal has failed and says so, and is closed like any other.
        try
        {
            if (left is not null) store!.Dispose();
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

    private void CheckSomePoints(GroupStore store, int count)
    {
        var points = store.Journal.Points;
        for (; count > 0 && points.Count > 0; count--)
        {
            using var view = store.OpenView(random.Pick(points));
            CheckView(view, oracle, Counters);
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
    }

    /// <summary>The store as it was left by a clean stop: readable, and one flipped bit is harmless or named.</summary>
    private void CheckAtRest()
    {
        if (!baselineIsDone) return;
        CheckReadOnly();
        var journal = (SimulatedDirectory)StoreDirectory.Directory("groups").Directory(GroupName).Directory("journal");
        for (var flips = 0; flips < 3; flips++)
        {
            var name = random.Pick([.. journal.ListFiles().Where(n => n.StartsWith("segment-", StringComparison.Ordinal))]);
            var offset = random.Chance(0.5) ? random.Between(0, 32 << 10) : random.Between(0, (1 << 20) - 1);
            var bit = (int)random.Between(0, 7);
            journal.FlipBit(name, offset, bit);
            Counters.Add(SimulationCounters.BitFlips);
            CheckFlipped(name, offset);
            journal.FlipBit(name, offset, bit);
        }
    }

    private void CheckFlipped(string name, long offset)
    {
        try
        {
            using var readers = ReplicaStore.OpenForReading(StoreDirectory, settings);
            var reader = readers.Get(GroupName);
            CheckPoints(reader, oracle);
            foreach (var point in reader.Journal.Points.DistinctBy(p => p.Sequence))
            {
                using var view = reader.OpenView(point);
                CheckView(view, oracle, new SimulationCounters());
            }
        }
        catch (JournalDamagedException e)
        {
            Require(e.Message.Contains(name, StringComparison.Ordinal), $"a bit of {name} at {offset} was flipped, and this was said: {e.Message}");
            Counters.Add(SimulationCounters.BitFlipsNamed);
        }
    }

    /// <summary>Takes over what the open journal counted since it was last asked.</summary>
    private void NoteCounters()
    {
        if (group?.Journal.Counters is not { } now || counted is not { } before) return;
        retired += now.SegmentsRetired - before.SegmentsRetired;
        Counters.Add(SimulationCounters.Retirements, now.SegmentsRetired - before.SegmentsRetired);
        Counters.Add(SimulationCounters.Recycled, now.SegmentsRecycled - before.SegmentsRecycled);
        Counters.Add(SimulationCounters.HandDowns, now.HandDowns - before.HandDowns);
        Counters.Add(SimulationCounters.Undos, now.UndoRecords - before.UndoRecords);
        Counters.Add(SimulationCounters.Checkpoints, now.Checkpoints - before.Checkpoints);
        Counters.Add(SimulationCounters.Redone, now.RecordsRedone - before.RecordsRedone);
        Counters.Add(SimulationCounters.UndoShared, now.UndoBytesShared - before.UndoBytesShared);
        Counters.Add(SimulationCounters.AppliedShared, now.AppliedBytesShared - before.AppliedBytesShared);
        counted = now.Copy();
    }
}
