using VmRepl.Replication.Source.Following;
using VmRepl.Simulation.Storage;

namespace VmRepl.Simulation.System;

/// <content>What befalls the machines and the network.</content>
internal sealed partial class SystemSimulation
{
    private void StartReplica()
    {
        Log.Add($"{time.Elapsed} replica starts");
        replica.CreditBytes = random.Chance(0.3) ? 2 << 20 : 64 << 20;
        try
        {
            replica.Start();
        }
        catch (SimulatedCrashException)
        {
            ReplicaIsDown(replica.Volume.CrashedAs!.Value);
            return;
        }
        catch (IOException)
        {
            CrashNow(replica.Volume, isSource: false);
            return;
        }

        if (random.Chance(0.1)) replica.Volume.CrashAt = replica.Volume.IoCount + random.Between(1, 300);
        CheckMarks("after the replica's start");
    }

    private void StartSource()
    {
        Log.Add($"{time.Elapsed} source starts");
        try
        {
            source.Start(() => CheckMarks("after the source's start"));
        }
        catch (SimulatedCrashException)
        {
            SourceIsDown(source.Volume.CrashedAs!.Value);
            return;
        }
        catch (IOException)
        {
            // A full volume: it is tried again later.
            CrashNow(source.Volume, isSource: true);
            return;
        }

        overflowsNoted = 0;
        for (var i = 0; i < GuestCount; i++) _ = GuestAsync(source.Life);
    }

    private void SourceIsDown(CrashKind kind)
    {
        Log.Add($"{time.Elapsed} source down {kind}");
        NoteDecisions();
        Counters.Add(kind == CrashKind.PowerLoss ? SystemCounters.SourceHostCrashes : SystemCounters.SourceKills);
        source.Crash(kind);
        writing = 0;
        CheckPromised();
    }

    private void ReplicaIsDown(CrashKind kind)
    {
        Log.Add($"{time.Elapsed} replica down {kind}");
        Counters.Add(kind == CrashKind.PowerLoss ? SystemCounters.ReplicaHostCrashes : SystemCounters.ReplicaKills);
        replica.Crash(kind);
    }

    private CrashKind PickKind() => random.Chance(0.5) ? CrashKind.PowerLoss : CrashKind.ProcessKill;

    private void PlanCrash(SimulatedVolume volume, bool isSource)
    {
        volume.CrashKind = PickKind();
        volume.CrashAt = volume.IoCount + random.Between(1, isSource ? 100 : 60);
    }

    private void CrashNow(SimulatedVolume volume, bool isSource)
    {
        var kind = PickKind();
        volume.Crash(kind);
        if (isSource) SourceIsDown(kind);
        else ReplicaIsDown(kind);
    }

    private void CrashBoth()
    {
        Counters.Add(SystemCounters.BothCrashes);
        CrashNow(source.Volume, isSource: true);
        CrashNow(replica.Volume, isSource: false);
    }

    private async Task StopSourceAsync()
    {
        isPaused = true;
        await WaitAsync(() =>
        {
            // With "stop" they wait for it.
            if (!replica.IsUp) StartReplica();
            return writing == 0 || !source.IsUp;
        }, "the writes that were under way end", TimeSpan.FromMinutes(10));
        isPaused = false;
        if (!source.IsUp) return;
        Log.Add($"{time.Elapsed} source stops");
        NoteDecisions();
        try
        {
            await source.StopAsync();
            Counters.Add(SystemCounters.SourceStops);
        }
        catch (Exception e) when (e is SimulatedCrashException or IOException)
        {
            // It went down on the way, or has no room to note the stop: then it is as if it was killed.
            if (!source.Volume.IsDown) CrashNow(source.Volume, isSource: true);
        }

        // Noted here: what comes next may bring it up again in this same step, and a loss of power would pass for a stop (seed 700055).
        if (source is { Volume.IsDown: true, Follower: not null }) SourceIsDown(source.Volume.CrashedAs!.Value);
    }

    private void CutNow()
    {
        Counters.Add(source.Follower!.Status.Phase switch { "tracking" => SystemCounters.CutsAlone, "baseline" => SystemCounters.CutsInBaseline, "resync" => SystemCounters.CutsInResync, _ => SystemCounters.CutsInFollowing });
        if (network.Newest is { IsCut: false } newest && random.Chance(0.5))
        {
            newest.CutAfter(random.Chance(0.6), random.Between(1, 50_000), random.Pick(Enum.GetValues<ConnectionCut>()));
            return;
        }

        var kind = random.Pick(Enum.GetValues<ConnectionCut>());
        if (kind == ConnectionCut.SourceOnly && network.Newest is { IsCut: false } late)
        {
            // What was sent arrives when another connection has long been made.
            late.Slow(TimeSpan.FromSeconds(random.Between(1, 20)));
            Counters.Add(SystemCounters.LateDeliveries);
        }

        network.Cut(kind);
    }

    private void Slow()
    {
        Counters.Add(SystemCounters.SlowLinks);
        network.Newest?.Slow(TimeSpan.FromMilliseconds(random.Pick([0, 50, 500, 3000])));
    }

    private void Bar()
    {
        Counters.Add(SystemCounters.LinksBarred);
        network.Cut(ConnectionCut.Both);
        network.IsBarred = true;
        _ = UnbarAsync(TimeSpan.FromSeconds(random.Between(1, 40)));

        async Task UnbarAsync(TimeSpan after)
        {
            await Task.Delay(after, time);
            network.IsBarred = false;
        }
    }

    private void StepClock()
    {
        Counters.Add(SystemCounters.ClockSteps);
        time.StepWallClock(TimeSpan.FromSeconds(random.Between(-3600, 3600)));
    }

    private void TakeCopy()
    {
        if (replica.Group is not { Journal.Points.Count: > 0 } group) return;
        CheckPoints();
        pointsOfCopy = [.. group.Journal.Points.Select(p => p.Sequence)];
        CrashNow(replica.Volume, isSource: false);
        replica.Volume.Restart();
        oldCopy = replica.CopyVolume();
        isCopyOfAnchor = false;
    }

    /// <summary>Now and then the volume is copied while it runs, as a snapshot of the host's does: what is under way at this moment the copy lacks, and the replica gets it.</summary>
    private void OnAnchorBegun()
    {
        Counters.Add(SystemCounters.Anchors);
        if (!random.Chance(0.3) || !replica.IsUp || replica.Group is not { Journal.Points.Count: > 0 } group) return;
        CheckPoints();
        pointsOfCopy = [.. group.Journal.Points.Select(p => p.Sequence)];
        oldCopy = replica.CopyVolume();
        isCopyOfAnchor = true;
    }

    private void RestoreCopy()
    {
        if (oldCopy is null) return;
        Log.Add($"{time.Elapsed} replica restored from an old copy");
        Counters.Add(SystemCounters.OldCopies);
        if (!replica.Volume.IsDown) CrashNow(replica.Volume, isSource: false);
        replica.Restore(oldCopy);
        (oldCopy, isCopyOfAnchor) = (null, false);
        isReplicaTrusted = false;
        history.ForgetPromises();
        foreach (var lost in seenPoints.Keys.Where(p => !pointsOfCopy.Contains(p)).ToList()) seenPoints.Remove(lost);
        seenMoments.Clear();
        bookmarks.Clear();
    }

    private void FillReplica()
    {
        Counters.Add(SystemCounters.ReplicaFull);
        wasReplicaFull = true;
        Fill(replica.Volume);
    }

    private void FillSource()
    {
        Counters.Add(SystemCounters.SourceFull);
        Fill(source.Volume);
    }

    private void Fill(SimulatedVolume volume)
    {
        volume.CapacityBytes = volume.UsedBytes + random.Between(0, 1 << 20);
        _ = EmptyAsync(TimeSpan.FromSeconds(random.Between(1, 20)));

        async Task EmptyAsync(TimeSpan after)
        {
            await Task.Delay(after, time);
            volume.CapacityBytes = ReplicaMachine.RoomyBytes;
        }
    }
}
