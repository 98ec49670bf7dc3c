using System.Globalization;
using VmRepl.Simulation.Workload;
using VmRepl.Blocks;
using VmRepl.Journal.Points;
using VmRepl.Journal.Store;
using VmRepl.Replication;
using VmRepl.Simulation.Storage;

namespace VmRepl.Simulation.System;

/// <content>What has to hold, and when it is looked at.</content>
internal sealed partial class SystemSimulation
{
    private readonly byte[] liveBuffer = new byte[4 << 20];
    private bool wasReplicaFull;
    private int decisionsNoted;
    private long overflowsNoted;

    private static void Require(bool holds, string what)
    {
        if (!holds) throw new SimulationFailureException(what);
    }

    private async Task WaitAsync(Func<bool> until, string what, TimeSpan limit)
    {
        var started = time.Elapsed;
        while (!until())
        {
            Require(time.Elapsed - started < limit, $"{what}: not within {limit.TotalMinutes:F0} min; {source.Follower?.Status}");
            await Task.Delay(TimeSpan.FromMilliseconds(100), time);
        }
    }

    /// <summary>All faults end and the guests pause: then the replica gets level, and both sides are equal with nothing marked by sector.</summary>
    private async Task QuiesceAsync()
    {
        network.IsFaulty = network.IsBarred = false;
        network.EndDisorder();
        replica.Volume.CapacityBytes = source.Volume.CapacityBytes = ReplicaMachine.RoomyBytes;
        replica.Volume.CrashAt = source.Volume.CrashAt = long.MaxValue;
        isPaused = true;
        await WaitAsync(IsLevel, "the replica gets level", TimeSpan.FromMinutes(20));
        Log.Add($"{time.Elapsed} level");
        isReplicaTrusted = true;
        var (images, live) = (source.ReadImages(), replica.ReadLive(replica.Group!));
        for (var disk = 0; disk < images.Length; disk++)
        {
            if (images[disk].AsSpan().CommonPrefixLength(live[disk]) is var at && at < images[disk].Length) Require(false, $"in sync and not equal: disk {disk}, sector {at / Sectors.Size}");
        }

        // Marks by sector are gone. Whole segments may be left marked (seeds 85 and 175): more than is needed, and never less.
        var exact = source.Disks.Sum(d => d.Marks.DirtyBytes - d.Marks.SegmentDirtyBytes);
        Require(exact == 0, $"in sync, and {exact} bytes are marked by sector");
        if (source.Disks.Any(d => d.Marks.DirtyBytes > 0)) Log.Add($"{time.Elapsed} segments are left marked");
        Counters.Add(SystemCounters.EqualChecked);
        CheckPoints();
        NoteDecisions();
        isPaused = false;
        network.IsFaulty = random.Chance(0.7);

        bool IsLevel()
        {
            if (!replica.IsUp) StartReplica();
            else if (!source.IsUp) StartSource();
            replica.Volume.CrashAt = source.Volume.CrashAt = long.MaxValue;
            // A source that has not heard yet of the loss of its replica takes it for level.
            return replica.IsUp && source.IsUp && writing == 0 && source.Follower!.Status is { IsInSync: true, LagBytes: 0, LinkDown: null } status
                && replica.Group is { Journal: { ResyncIsOpen: false } journal } && journal.Position.Durable >= status.Durable;
        }
    }

    /// <summary>The group changes hands: of the source that does not know it nothing is taken any more, over connections that are there or new ones.</summary>
    private async Task CheckFencingAsync()
    {
        var group = replica.Group!;
        network.IsFaulty = false;
        network.EndDisorder();
        group.SetEpoch(group.Description.Epoch + 1);
        var before = group.Journal.Position.Durable;
        if (random.Chance(0.5)) network.Cut(ConnectionCut.Both);
        await Task.Delay(TimeSpan.FromSeconds(random.Between(1, 30)), time);
        Require(replica.Group!.Journal.Position.Durable == before, $"epoch 1 was taken up to {replica.Group!.Journal.Position.Durable} by a group of epoch {group.Description.Epoch} that was at {before}");
        Counters.Add(SystemCounters.Fenced);
    }

    /// <summary>At the end: the replica alone, from its volume.</summary>
    private async Task CheckReplicaAsync()
    {
        CrashNow(replica.Volume, isSource: false);
        StartReplica();
        replica.Volume.CrashAt = long.MaxValue;
        await WaitAsync(() =>
        {
            if (!replica.IsUp) StartReplica();
            return replica.IsUp;
        }, "the replica comes up", TimeSpan.FromMinutes(1));
        CheckPoints();
        CheckPromised();
    }

    /// <summary>Every difference between the sides is marked.</summary>
    private void CheckMarks(string when)
    {
        if (!isReplicaTrusted || source.Disks.Count == 0 || source.Volume.IsDown || replica.Group is not { } group || group.Phase == GroupPhase.Baseline || group.Journal.IsFailed) return;
        var images = source.ReadImages();
        for (var i = 0; i < images.Length; i++)
        {
            var live = liveBuffer.AsSpan(0, images[i].Length);
            group.Live[(uint)i + 1].Read(0, live);
            if (images[i].AsSpan().SequenceEqual(live)) continue;
            var marked = source.Disks[i].Marks.Dirty(new Extent(0, live.Length));
            for (var at = 0; at < live.Length; at += Sectors.Size)
            {
                if (images[i].AsSpan(at, Sectors.Size).SequenceEqual(live.Slice(at, Sectors.Size)) || marked.Overlaps(new Extent(at, Sectors.Size))) continue;
                throw new SimulationFailureException($"{when}: disk {i}, sector {at / Sectors.Size} differs and is not marked");
            }
        }

        Counters.Add(SystemCounters.MarksChecked);
    }

    /// <summary>Every offered point is a moment of the group, is still what it was, and none is missing.</summary>
    private void CheckPoints()
    {
        if (replica.Group is not { } group || group.Journal.IsFailed || replica.Volume.CrashAt != long.MaxValue) return;
        var points = group.Journal.Points;
        // A volume that was full has cost the oldest of them, and nothing else may.
        var start = wasReplicaFull ? group.Journal.Position.Start : 0;
        foreach (var seen in seenPoints.Keys) Require(seen < start || points.Any(p => p.Sequence == seen), $"point {seen} was offered and is gone");
        foreach (var point in points)
        {
            if (seenPoints.ContainsKey(point.Sequence) && !random.Chance(0.2)) continue;
            CheckPoint(group, point, seenPoints);
        }

        // Each sequence of a run is a point as well: a new one, and one that was looked at before.
        if (group.Journal.Runs is { Count: > 0 } runs)
        {
            var run = random.Pick(runs);
            CheckMoment(group, run.FirstSequence + (ulong)random.Between(0, (long)(run.LastSequence - run.FirstSequence)));
        }

        if (seenMoments.Count > 0 && random.Pick([.. seenMoments.Keys]) is var moment && moment >= start) CheckMoment(group, moment);
    }

    private void CheckMoment(GroupStore group, ulong sequence)
    {
        RecoveryPoint found;
        try
        {
            found = group.FindPoint(sequence.ToString(CultureInfo.InvariantCulture));
        }
        catch (StoreException e)
        {
            throw new SimulationFailureException($"sequence {sequence} lies in a run, and this was said: {e.Message}");
        }

        Require(found.Sequence == sequence, $"sequence {sequence} was asked for, and {found} was found");
        CheckPoint(group, found, seenMoments);
        Counters.Add(SystemCounters.MomentsChecked);
    }

    private void CheckPoint(GroupStore group, RecoveryPoint point, Dictionary<ulong, ulong> seen)
    {
        var disks = replica.Read(group, point);
        var digest = disks.Aggregate(0UL, (sum, disk) => (sum * 31) + WriteHistory.Digest(disk));
        if (seen.TryGetValue(point.Sequence, out var before)) Require(before == digest, $"point {point.Sequence} is not what it was");
        seen[point.Sequence] = digest;
        var known = bookmarks.Find(b => b.Name == point.Bookmark);
        var fault = known.Name is null ? history.FindFault(disks) : history.FindFault(disks, known.Include, known.Exclude);
        Require(fault is null, $"point {point.Sequence}{(point.Bookmark is null ? "" : $" ({point.Bookmark})")} is no moment of the group: {fault}");
        Counters.Add(SystemCounters.PointsChecked);
    }

    /// <summary>What was answered under the promise is at the replica, whatever became of the source.</summary>
    private void CheckPromised()
    {
        if (!isReplicaTrusted || replica.Group is not { Journal: { IsFailed: false, ResyncIsOpen: false }, Phase: GroupPhase.Following } group || !history.Writes.Any(w => w.IsPromised)) return;
        var fault = history.FindFault(replica.ReadLive(group), includesPromised: true);
        Require(fault is null, $"a promise is broken: {fault}");
        Counters.Add(SystemCounters.PromisedChecked);
    }

    private async Task BookmarkAsync()
    {
        if (!source.Follower!.Status.IsInSync) return;
        var name = $"b{history.Now()}";
        var include = history.Now();
        try
        {
            await source.Follower.BookmarkAsync(name, source.Life).WaitAsync(TimeSpan.FromSeconds(30), time);
            bookmarks.Add((name, include, history.Now()));
            Counters.Add(SystemCounters.Bookmarks);
        }
        catch (Exception e) when (e is ReplicationException or OperationCanceledException or SimulatedCrashException or TimeoutException)
        {
            // It may be there or not; if it is it is checked as any point.
        }
    }

    private void NoteDecisions()
    {
        if (source.Follower is not { } follower) return;
        Counters.Add(SystemCounters.Overflows, follower.Status.Overflows - overflowsNoted);
        overflowsNoted = follower.Status.Overflows;
        foreach (var decision in follower.Decisions.Skip(Math.Min(decisionsNoted, follower.Decisions.Count)))
            Counters.Add(decision.Decision switch { "baseline" => SystemCounters.Baselines, "quick resync" => SystemCounters.ResyncsQuick, "resync from an anchor" => SystemCounters.ResyncsFromAnchor, _ => SystemCounters.ResyncsByDigest });
        decisionsNoted = follower.Decisions.Count;
        if (follower.Status.Promise is { Ended: not null }) Counters.Add(SystemCounters.PromisesEnded);
    }
}
