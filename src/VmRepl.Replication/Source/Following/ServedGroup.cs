using Microsoft.Extensions.Logging;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Points;

namespace VmRepl.Replication.Source.Following;

/// <summary>One group whose disks the agent serves: it holds the images from its start to its stop and follows them.</summary>
internal sealed class ServedGroup : IProtectedGroup
{
    private static readonly TimeSpan SyncPoll = TimeSpan.FromMilliseconds(20);

    private readonly IHostDirectory directory;
    private readonly Guid sourceId;
    private readonly LinkOptions linkOptions;
    private readonly FollowOptions followOptions;
    private readonly TimeProvider time;
    private readonly ILogger log;
    private readonly CancellationTokenSource stopping;
    private readonly Lock gate = new();

    private List<ServedDisk> disks = [];
    private GroupFollower? follower;
    private readonly SemaphoreSlim freezeTurn = new(1, 1);
    private Task following = Task.CompletedTask, copying = Task.CompletedTask;
    private volatile ReplicationException? startError;

    /// <param name="followOptions">The acknowledgement mode and what goes with it are the definition's.</param>
    /// <param name="agentStopping">Cancelled when the agent ends.</param>
    public ServedGroup(IHostDirectory directory, SourceGroupDefinition definition, Guid sourceId, IReplicaConnector connector, LinkOptions linkOptions, FollowOptions followOptions, TimeProvider time, ILogger log, CancellationToken agentStopping)
    {
        (this.directory, this.sourceId, this.linkOptions, this.time, this.log) = (directory, sourceId, linkOptions, time, log);
        this.followOptions = followOptions with { Acknowledgement = definition.Acknowledgement, OnLoss = definition.OnLoss };
        (Definition, Connector) = (definition, connector);
        stopping = CancellationTokenSource.CreateLinkedTokenSource(agentStopping);
    }

    public SourceGroupDefinition Definition { get; }

    public IReplicaConnector Connector { get; }

    public string? WhyBusy => null;

    /// <summary>Decisions about how the replica was brought level, oldest first.</summary>
    public IReadOnlyList<LinkDecision> Decisions => follower?.Decisions ?? [];

    public SourceGroupStatus Status
    {
        get
        {
            var error = startError;
            var now = follower?.Status ?? NotServed(error);
            var progress = new SourceProgress { PointSequence = now.PointSequence, PointTimeUs = now.PointTimeUs, FirstPointTimeUs = now.FirstPointTimeUs };
            var isCopying = now.Phase is "baseline" or "resync";
            // What is on its way is marked as well, but may be there several times.
            return new SourceGroupStatus(Definition, progress, now.Phase, isCopying ? now.TotalBytes : 0, isCopying ? now.DoneBytes : 0, Math.Max(now.LagBytes, now.DirtyBytes), now.Waiting, now.LastError, now.NextStep) { Following = now, Seeds = follower?.Seeds ?? [] };
        }
    }

    /// <summary>Opens the disks and begins to follow them.</summary>
    /// <exception cref="ReplicationException">A disk cannot be served; nothing was begun, and the status says why.</exception>
    public void Start()
    {
        lock (gate)
        {
            if (follower is not null) return;
            var opened = new List<ServedDisk>();
            try
            {
                foreach (var disk in Definition.Disks) opened.Add(ServedDisk.Open(Definition, disk, directory, time));
                var causes = opened.Select(d => opened.Count == 1 ? d.Trust.Cause : $"disk {d.Disk.Disk.Name}: {d.Trust.Cause}").Distinct();
                follower = new GroupFollower(Definition, directory, [.. opened.Select(d => d.Disk)], sourceId, Connector, linkOptions, followOptions, new SequenceReserve(directory), time, log, string.Join("; ", causes));
                disks = opened;
                startError = null;
            }
            catch (Exception e) when (e is ReplicationException or IOException)
            {
                foreach (var disk in opened) disk.Dispose();
                startError = e as ReplicationException ?? new ReplicationException(Definition.Name, $"group {Definition.Name}: {e.Message}", "Look at the volume of the agent's state.", cause: e);
                throw startError;
            }

            following = RunAsync(follower);
        }
    }

    /// <summary>The device of a disk; null where there is none of that name, or the group is not started.</summary>
    public IBlockDevice? Device(string disk)
    {
        lock (gate) return disks.Find(d => d.Disk.Disk.Name == disk) is { } found ? follower!.Device(found.Disk, stopping.Token) : null;
    }

    /// <summary>Waits until the replica is in sync.</summary>
    public async Task<RoundResult> SyncAsync(CancellationToken cancellation)
    {
        var started = time.GetTimestamp();
        Start();
        var before = follower!.Status;
        while (true)
        {
            var now = follower.Status;
            // The promise of a sync group is recorded a moment after the replica is found in sync. One that has just gone may come back with less than it had.
            if (now is { IsInSync: true, LinkDown: null, InSyncSinceUs: not 0, Promise: null or { IsInForce: true } })
                return new RoundResult(now.Durable, now.LastTimeUs, Guid.Empty, before.FirstPointTimeUs == 0, now.BytesSent - before.BytesSent, 0, 0, time.GetElapsedTime(started));
            if (now.LastError is { } error && now.Phase == "tracking") throw new ReplicationException(Definition.Name, error, now.NextStep ?? "", now.IsRefused);
            if (now.LinkDown is { } down && time.GetElapsedTime(started) > linkOptions.RetryFor)
                throw new ReplicationException(Definition.Name, $"group {Definition.Name}: the replica {Connector.Peer} could not be reached for {linkOptions.RetryFor.TotalSeconds:0} s: {down}", "The disks are served and changes are tracked; the replica is brought level as soon as it can be reached.");
            await Task.Delay(SyncPoll, time, cancellation);
        }
    }

    public async Task<RecoveryPoint> BookmarkAsync(string name, CancellationToken cancellation)
    {
        Start();
        return await follower!.BookmarkAsync(name, cancellation);
    }

    /// <summary>Freezes the disks at one place in the order and begins to copy them.</summary>
    /// <param name="targets">By disk name: as long as the disk, all hole.</param>
    /// <exception cref="ReplicationException">The group is not in sync, or changes under way did not end in time; nothing was done.</exception>
    /// <exception cref="IOException">The agent's state cannot be written; nothing was done.</exception>
    public async Task<FrozenGroup> FreezeAsync(string id, string name, IReadOnlyDictionary<string, IHostFile> targets, CancellationToken cancellation)
    {
        Start();
        await freezeTurn.WaitAsync(cancellation);
        try
        {
            var frozen = await follower!.FreezeAsync(id, name, [.. disks.Select(d => targets[d.Disk.Disk.Name])], stopping.Token);
            copying = frozen.Copied;
            return frozen;
        }
        finally
        {
            freezeTurn.Release();
        }
    }

    public async Task StopAsync()
    {
        await stopping.CancelAsync();
        await following;
        // It reads the disks until it has seen that.
        await copying.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        lock (gate)
        {
            foreach (var disk in disks)
            {
                try
                {
                    disk.LetGo();
                }
                catch (IOException e)
                {
                    FollowLog.NotLetGo(log, Definition.Name, disk.Disk.Disk.Name, e.Message);
                }
                finally
                {
                    disk.Dispose();
                }
            }

            disks = [];
        }
    }

    /// <summary>What was known when it was last served: nobody can write meanwhile.</summary>
    private FollowStatus NotServed(ReplicationException? error)
    {
        FollowState known;
        PromiseState? promise;
        try
        {
            known = FollowMemory.Read(directory);
            promise = followOptions.Acknowledgement == AcknowledgementMode.Sync ? SyncPromise.Read(directory) : null;
        }
        catch (IOException)
        {
            (known, promise) = (new FollowState(), null);
        }

        return new FollowStatus
        {
            Phase = "failed",
            Acknowledgement = followOptions.Acknowledgement,
            OnLoss = followOptions.OnLoss,
            Promise = promise,
            LostSyncUs = known.LostSyncUs,
            PointSequence = known.PointSequence,
            PointTimeUs = known.PointTimeUs,
            FirstPointTimeUs = known.FirstPointTimeUs,
            LastError = error?.Message ?? "the group was not started",
            NextStep = error?.Hint,
            IsRefused = error?.IsRefusal ?? false,
        };
    }

    private async Task RunAsync(GroupFollower started)
    {
        await Task.Yield();
        await started.RunAsync(stopping.Token);
    }
}
