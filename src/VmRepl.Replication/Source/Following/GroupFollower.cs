using Microsoft.Extensions.Logging;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Images;
using VmRepl.Journal.Points;
using VmRepl.Protocol;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Records;
using VmRepl.Replication.Digests;

namespace VmRepl.Replication.Source.Following;

/// <summary>
/// Follows the disks of one group: every change goes through its devices, is carried out locally and sent to the replica, or tracked while it cannot be. It keeps one link to the replica, as long as it runs: a
/// connection that breaks is made anew and goes on where it was; a link that is given up (refused, the replica has less than it acknowledged, the agent's state cannot be written) is made anew with a resync.
/// </summary>
internal sealed partial class GroupFollower
{
    private const string BaselinePhase = "baseline";

    private readonly SourceGroupDefinition group;
    private readonly IReadOnlyList<FollowedDisk> disks;
    private readonly Guid sourceId;
    private readonly IReplicaConnector connector;
    private readonly LinkOptions linkOptions;
    private readonly FollowOptions options;
    private readonly SequenceReserve sequences;
    private readonly FollowMemory memory;
    private readonly TimeProvider time;
    private readonly ILogger log;
    private readonly GroupStream stream;
    private readonly SyncPromise? promise;
    private readonly AnswerRule answers;
    private readonly Splitter splitter;
    private readonly ChangeGate gate = new();
    private readonly AnchorKeeper anchors;
    private readonly LinkJudge judge;
    private readonly FollowProgress progress;
    private readonly GroupSeeds seeds;

    // What a write waits for where the promise begins while so much is on its way, or as old as this: little enough either way.
    private const long CloseBytes = 1 << 20;
    // Longest that a record for which a guest waits is held back for the acknowledgement of those before it: longer than a near replica takes, and nothing beside the time to a far one.
    private static readonly TimeSpan AwaitedGatherFor = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan CloseTime = TimeSpan.FromMilliseconds(100);

    // What an earlier life of the agent knew to be durable at the replica.
    private readonly ulong durableBefore;

    private ReplicaLink? link;
    private volatile ReplicationException? lastError;
    private volatile string? waiting;

    /// <param name="directory">The group's state.</param>
    /// <param name="disks">Open for writing; not owned.</param>
    /// <param name="cause">Why the disks stand as they do, in words that go on from "because"; told with the first decision.</param>
    /// <exception cref="IOException">The state cannot be read.</exception>
    public GroupFollower(SourceGroupDefinition group, IHostDirectory directory, IReadOnlyList<FollowedDisk> disks, Guid sourceId, IReplicaConnector connector, LinkOptions linkOptions, FollowOptions options, SequenceReserve sequences, TimeProvider time, ILogger log, string? cause = null)
    {
        (this.group, this.disks, this.sourceId, this.connector, this.options, this.sequences, this.time, this.log) = (group, disks, sourceId, connector, options, sequences, time, log);
        // A connection that does not come back is waited for: meanwhile changes are tracked, and nothing is lost by waiting.
        this.linkOptions = linkOptions with { RetryFor = TimeSpan.FromHours(12), GoneAfter = options.GoneAfter, PingInterval = options.Acknowledgement == AcknowledgementMode.Sync ? options.Lease / 4 : linkOptions.PingInterval };
        memory = new FollowMemory(directory) { Cause = cause };
        durableBefore = disks.Max(d => d.Marks.DurableAtReplica);
        memory.NoteDeath(disks.Max(d => LastSignUs(d)), (durableBefore, disks.Max(d => d.Marks.DurableTimeUs)));
        stream = new GroupStream(disks, sequences, time, group.Epoch, options) { InSyncChanged = OnInSyncChanged };
        promise = options.Acknowledgement == AcknowledgementMode.Sync ? new SyncPromise(directory, options, time, () => stream.Last, () => stream.Durable, () => stream.IsInSync, IsClose) : null;
        answers = new AnswerRule(stream, promise, options, time);
        var changes = new ChangesUnderWay();
        splitter = new Splitter(stream, answers, changes, gate);
        anchors = new AnchorKeeper(disks, stream, changes);
        judge = new LinkJudge(disks, anchors, sequences, memory);
        progress = new FollowProgress(time);
        seeds = new GroupSeeds(group, directory, log);
    }

    /// <summary>Why the last link was made as it was, oldest first.</summary>
    public IReadOnlyList<LinkDecision> Decisions => memory.Decisions;

    /// <summary>What the replica made of the disks' seeds.</summary>
    public IReadOnlyList<SeedOutcome> Seeds => seeds.Outcomes;

    /// <summary>The device through which a disk is used. Stays usable without a replica.</summary>
    /// <param name="stopping">Cancelled when writes are to wait for the replica no longer.</param>
    public IBlockDevice Device(FollowedDisk disk, CancellationToken stopping) => new SplitDevice(disk, splitter, stopping);

    public Splitter Splitter => splitter;

    /// <summary>Keeps a link, and the marks in order, until it is called off. Does not throw for what a replica or a network does.</summary>
    public Task RunAsync(CancellationToken cancellation) => Task.WhenAll(LinkAsync(cancellation), new MarksKeeper(group.Name, disks, time, log).RunAsync(cancellation), anchors.RunAsync(options.AnchorEvery, time, cancellation));

    private async Task LinkAsync(CancellationToken cancellation)
    {
        var delay = options.RelinkDelay;
        while (!cancellation.IsCancellationRequested)
        {
            var wasAttached = false;
            try
            {
                await FollowAsync(() => wasAttached = true, cancellation);
            }
            catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
            {
                return;
            }
            catch (RoundRestartException e)
            {
                // The next link deals with it, and says why.
                FollowLog.LinkGivenUp(log, group.Name, e.Message);
            }
            catch (Exception e) when (e is ReplicationException or IOException or ProtocolException or UnauthorizedAccessException)
            {
                lastError = e as ReplicationException ?? new ReplicationException(group.Name, $"group {group.Name}: {e.Message}", "Changes are tracked; the link is made anew.", cause: e);
                FollowLog.LinkGivenUp(log, group.Name, e.Message);
            }
            finally
            {
                stream.Detach();
            }

            delay = wasAttached ? options.RelinkDelay : TimeSpan.FromTicks(Math.Min(options.RelinkDelayMax.Ticks, delay.Ticks * 2));
            try
            {
                await Task.Delay(delay, time, cancellation);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>Names the present moment, or makes a point of it.</summary>
    /// <exception cref="ReplicationException">The replica is not in sync, or was lost before it had the bookmark.</exception>
    public async Task<Journal.Points.RecoveryPoint> BookmarkAsync(string name, CancellationToken cancellation)
    {
        if (!stream.IsInSync) throw new ReplicationException(group.Name, $"group {group.Name} is not in sync ({Status.Phase}), so this moment cannot be named", "Wait until vmrepl status says in-sync.");
        try
        {
            var (sequence, timeUs, durable) = stream.TakeFact(new RecordDraft(RecordKind.Bookmark, 0, 0, 0, default, new Dictionary<string, string> { [RecordAttribute.Name] = name, [RecordAttribute.Consistency] = Journal.Points.RecoveryPoint.Crash }));
            if (!await durable.WaitAsync(cancellation)) throw new ReplicationException(group.Name, $"group {group.Name}: the link was lost before the replica had the bookmark {name}", "Set it again when the group is in sync.");
            return new Journal.Points.RecoveryPoint(sequence, timeUs, name, Journal.Points.RecoveryPoint.Crash);
        }
        catch (InvalidOperationException e)
        {
            throw new ReplicationException(group.Name, $"group {group.Name} has no link to its replica", "Set it again when the group is in sync.", cause: e);
        }
    }

    /// <summary>One link, from its making to its end.</summary>
    /// <param name="attached">Called when it has come to be followed.</param>
    private async Task FollowAsync(Action attached, CancellationToken cancellation)
    {
        await using var made = new ReplicaLink(
            connector,
            new OpenGroup(group.Name, sourceId, group.Epoch, [.. group.Disks.Select(d => new DiskDeclaration(d.Id, d.Name, d.Length, d.SectorSize, d.Format.Name()))], Create: true)
            {
                AckMode = options.Acknowledgement switch { AcknowledgementMode.Sync => AckMode.Sync, AcknowledgementMode.SemiSync => AckMode.SemiSync, _ => AckMode.Async },
                Seeds = seeds.Declare(hasPoint: memory.Progress.FirstPointTimeUs != 0),
                LeaseMs = options.Acknowledgement == AcknowledgementMode.Sync ? (uint)Math.Min(uint.MaxValue, options.Lease.TotalMilliseconds) : 0,
            },
            linkOptions,
            time,
            log,
            reason => waiting = reason is null ? null : $"waiting for room at the replica: {reason}")
        {
            Acknowledged = (received, durable) =>
            {
                promise?.Heard();
                stream.Acknowledge(received, durable);
                NotePromise();
            },
            Heard = () => promise?.Heard(),
            // A baseline that was given up would be compared from its beginning, and there is no promise and no point yet that waiting could cost.
            IsGivenUpWhenGone = () => stream.Phase != StreamPhase.Baseline,
        };
        link = made;
        try
        {
            await made.OpenAsync(cancellation);
            var isBaseline = made.State.Phase == BaselinePhase;
            Decide(made, isBaseline);
            stream.Attach(isBaseline, made.Durable, made.BeginTimeUs(memory.Progress.TimeUs));
            lastError = null;
            attached();
            using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            var sending = SendAsync(made, ending.Token);
            var copying = CopyAsync(made, isBaseline, ending.Token);
            var first = await Task.WhenAny(sending, copying, made.Faulted);
            await ending.CancelAsync();
            stream.Detach();
            await Task.WhenAll(Quiet(sending), Quiet(copying));
            if (made.IsGone)
            {
                // Nothing failed: it is waited for, and changes are tracked.
                memory.Cause = $"the replica was away for more than {options.GoneAfter.TotalSeconds:0.#} s";
                FollowLog.Gone(log, group.Name, options.GoneAfter.TotalSeconds, made.DownReason ?? "");
                return;
            }

            await first;
        }
        finally
        {
            link = null;
            memory.NoteLinkEnded(made.BytesSent, stream.LastTimeUs, stream.NewestPoint);
        }
    }

    private static Task Quiet(Task task) => task.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Current);

    private async Task SendAsync(ReplicaLink made, CancellationToken cancellation)
    {
        var gathering = options.Acknowledgement == AcknowledgementMode.Async
            ? new RecordGathering(options.GatherFor, time)
            : new RecordGathering(AwaitedGatherFor, time, c => stream.WaitForAnswerAsync(RecordGathering.EnoughBytes, c));
        while (await stream.WaitForWorkAsync(cancellation))
        {
            await gathering.WaitAsync(stream.WaitingBytes, cancellation);
            await made.WaitConnectedAsync(cancellation);
            var batch = stream.NextBatch();
            if (batch.Count == 0) continue;
            try
            {
                await made.SendAsync(() => [.. batch], batch.Sum(s => (long)s.Record.PayloadLength + 128), cancellation);
                gathering.NoteSent();
            }
            finally
            {
                foreach (var sent in batch) sent.Memory?.Release();
            }
        }
    }

    private async Task CopyAsync(ReplicaLink made, bool isBaseline, CancellationToken cancellation)
    {
        using var digest = new BlockDigest(made.StoreId, sourceId);
        if (isBaseline) await seeds.UseAsync(made, said => waiting = said, cancellation);
        while (await stream.WaitForCopyAsync(cancellation))
        {
            var metadata = GroupMetadata.Read(group);
            if (!await new CopyScanner(disks, stream, splitter, made, digest, isBaseline, progress).RunAsync(cancellation)) return;
            var replicated = made.State.MetadataKeys.ToDictionary(k => k, k => made.StoreId == memory.Progress.StoreId ? memory.Progress.Metadata.GetValueOrDefault(k, "") : "");
            if (!stream.TryEnd(GroupMetadata.Drafts(metadata, replicated))) continue;
            isBaseline = false;
            memory.NotePendingMetadata(metadata.ToDictionary(m => m.Key, m => GroupMetadata.Digest(m.Value)));
        }
    }

    /// <summary>How the replica is brought level, kept for <c>vmrepl why</c>.</summary>
    private void Decide(ReplicaLink made, bool isBaseline)
    {
        var (decision, cause) = judge.Prepare(made.StoreId, made.State, isBaseline);
        var dirty = disks.Sum(d => d.Marks.DirtyBytes);
        var kept = new LinkDecision(time.NowUs(), decision, cause ?? memory.Cause ?? "the link was lost", dirty);
        memory.Note(kept, made.StoreId, made.State.NewestRewind);
        NotePoint(made.State);
        // What an earlier link brought over and came to no end is not this one's.
        progress.TakeCost();
        FollowLog.Decided(log, group.Name, kept.Decision, kept.Cause, dirty);
    }

    private bool IsClose() => stream.LagBytes <= CloseBytes || stream.OldestFlightUs is not { } oldest || time.NowUs() - oldest <= CloseTime.TotalMicroseconds;

    private LinkDecision Behind(string cause) => new(time.NowUs(), "quick resync", cause, disks.Sum(d => d.Marks.DirtyBytes));

    private void NotePromise()
    {
        try
        {
            promise?.Note();
        }
        catch (IOException e)
        {
            NoteStateFailed(e);
        }
    }

    private void NoteStateFailed(IOException e)
    {
        lastError = new ReplicationException(group.Name, $"group {group.Name}: the agent's state cannot be written: {e.Message}", "Make room on the volume of the agent's state.", cause: e);
        FollowLog.LinkGivenUp(log, group.Name, e.Message);
    }

    /// <summary>Since when sync is lost that is lost now: what was given up for its absence, since that began.</summary>
    private long LostSinceUs(bool isLinkGivenUp) => isLinkGivenUp && link is { DownReason: not null } down ? down.DownOrUpSinceUs : time.NowUs();

    private void OnInSyncChanged(LossOfSync? loss)
    {
        try
        {
            if (loss is null)
            {
                foreach (var disk in disks) disk.ComparesFirst = false;
                memory.NoteInSync(time.NowUs(), link?.State.FirstPointTimeUs ?? 0, stream.NewestPoint, progress.TakeCost());
                FollowLog.InSync(log, group.Name, stream.Durable);
            }
            else
            {
                promise?.Lost();
                memory.NoteLostSync(LostSinceUs(loss == LossOfSync.LinkGivenUp), stream.MissingSinceUs, loss switch
                {
                    LossOfSync.BufferFull => Behind($"the buffer of {options.BufferBytes >> 20} MiB was full: the guest wrote faster than the replica took it"),
                    LossOfSync.LocalFailure => Behind("a change failed on the local image"),
                    _ => null,
                });
                FollowLog.LostSync(log, group.Name);
            }
        }
        catch (IOException e)
        {
            NoteStateFailed(e);
        }
    }
}
