using System.Threading.Channels;
using VmRepl.Journal;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Names;
using VmRepl.Protocol.Records;
using VmRepl.Protocol.Security;
using VmRepl.Replication.Replica.Seeds;

namespace VmRepl.Replication.Replica;

/// <summary>
/// One source's connection for one group, on the replica. States: opening, following, ended.
/// Three loops: one receives, one makes records durable in order (all that wait at once share a flush), one answers questions about the live images.
/// Where there is no room for records the second loop waits for some: nothing is acknowledged and no credit granted meanwhile, the others go on.
/// A question may be answered beside the writing of records: within a round the source asks about a region before it sends records of it, never after.
/// </summary>
/// <param name="peerWaits">Whether the peer waits with this side where there is no room.</param>
internal sealed class ReplicationSession(ReplicaSite site, FramedConnection connection, PeerIdentity? identity, bool peerWaits)
{
    /// <summary>How long a peer may take to hear why its session ends.</summary>
    private static readonly TimeSpan LastWordLimit = TimeSpan.FromSeconds(5);

    private readonly Channel<IMessage> questions = Channel.CreateBounded<IMessage>(new BoundedChannelOptions(256) { SingleReader = true });
    private readonly CancellationTokenSource ending = new();
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private GroupStore group = null!;
    private long receivedBytes;
    private SessionCredit? credit;
    private bool isPromising;
    private RecordLane lane = null!;
    private SessionSeeds seeds = null!;

    // Set when this side has said its last word: what still comes is read and thrown away, for closing on unread input would reset the connection over that word.
    private volatile bool isFailed;
    private readonly TaskCompletionSource receivingEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public async Task RunAsync(CancellationToken cancellation)
    {
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellation, ending.Token);
        string? name = null;
        try
        {
            if (await ReceiveOpeningAsync(linked.Token) is not { } open) return;
            // Before it ends the session that is there: whoever has no right to the group must not disturb it either.
            if (OpeningRules.FindReason(site.Store, open, identity) is { } reason)
            {
                await RefuseAsync(open, reason, linked.Token);
                return;
            }

            if (!await site.EnterAsync(open.Group, this, linked.Token))
            {
                await RefuseAsync(open, new Refusal(RefusalCode.Busy, $"group {open.Group} is being rewound at the replica", "Sync again when that has ended; nothing of the source is lost."), linked.Token);
                return;
            }

            name = open.Group;
            if (!await OpenAsync(open, linked.Token)) return;
            await Task.WhenAll(EndOthers(ReceiveAsync(linked.Token)), EndOthers(AppendAsync(linked.Token)), EndOthers(AnswerAsync(linked.Token)));
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
            // Ended by a newer session, or by one of this session's own loops whose failure has been told.
        }
        finally
        {
            if (name is not null)
            {
                credit?.Dispose();
                KeepLastSign();
                site.Leave(name, this);
                SessionLog.Closed(site.Log, name, connection.Peer);
            }

            ended.TrySetResult();
        }
    }

    /// <summary>Ends this session and waits until it writes nothing any more.</summary>
    public async Task EndAsync()
    {
        await ending.CancelAsync();
        await ended.Task;
    }

    private void KeepLastSign()
    {
        if (!isPromising) return;
        try
        {
            group.NotePromise(group.Promise!, isDurable: true);
        }
        catch (IOException e)
        {
            // The one of the session's beginning stands.
            SessionLog.Failed(site.Log, group.Description.Name, e.Message, e);
        }
    }

    /// <summary>When one loop ends, however it ends, the others have nothing left to do.</summary>
    private async Task EndOthers(Task loop)
    {
        try
        {
            await loop;
        }
        finally
        {
            await ending.CancelAsync();
        }
    }

    private async Task<OpenGroup?> ReceiveOpeningAsync(CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var timer = site.Time.CreateTimer(_ => limit.Cancel(), null, site.Options.SilenceMax, Timeout.InfiniteTimeSpan);
        return await connection.ReceiveAsync(limit.Token) as OpenGroup;
    }

    private async Task RefuseAsync(OpenGroup open, Refusal refusal, CancellationToken cancellation)
    {
        SessionLog.Refused(site.Log, open.Group, connection.Peer, refusal.Message);
        await connection.SendAsync(refusal, cancellation);
    }

    private async Task<bool> OpenAsync(OpenGroup open, CancellationToken cancellation)
    {
        seeds = new SessionSeeds(site.Seeds, new StoredPointSeeds(site.Store, identity), open.Seeds, connection, site.Time, site.Log);
        if (Examine(open) is { } refusal)
        {
            await RefuseAsync(open, refusal, cancellation);
            return false;
        }

        credit = site.Credits.Enter();
        lane = new RecordLane(connection, group, credit, seeds, new RoomWait(site, connection, open.Group, peerWaits), site.Log);
        var position = group.Journal.Position;
        SessionLog.Opened(site.Log, open.Group, connection.Peer, PhaseName(group.Phase), position.Durable);
        var state = new GroupState(PhaseName(group.Phase), position.Durable, position.Applied, LastPoint(), group.Description.Epoch, (ulong)credit.GrantedBytes, group.Journal.Points is [var oldest, ..] ? oldest.TimeUs : 0)
        {
            NewestTimeUs = Math.Max(0, group.Journal.NewestTimeUs),
            NewestRewind = group.Journal.NewestRewind,
            MetadataKeys = [.. group.Journal.MetadataKeys.Take(MessageLimits.MaxMetadataEntries)],
        };
        await connection.SendAsync(state, cancellation);
        return true;
    }

    /// <summary>Finds or makes the group; the reason why not, otherwise.</summary>
    private Refusal? Examine(OpenGroup open)
    {
        try
        {
            var found = site.Store.Find(open.Group);
            if (found is { Journal.IsFailed: true }) found = site.Store.Reopen(open.Group);
            if (found is null)
            {
                if (!open.Create) return new Refusal(RefusalCode.UnknownGroup, $"the replica has no group {open.Group}", "It may have been given another store; protect the group again.");
                // Before anything is made: a name that was mistyped leaves nothing behind.
                if (seeds.Examine(open) is { } unusable) return unusable;
                found = site.Store.Create(new GroupDescription(open.Group, open.SourceId, open.Epoch, [.. open.Disks.Select(Describe)]) { CloneOf = OpeningRules.Describe(open.CloneOf) });
            }

            group = found;
            // Once more: another session may have made it, or raised its epoch, since this one was let in.
            if (OpeningRules.FindReason(open, group.Description) is { } reason) return reason;
            if (open.Epoch > group.Description.Epoch) group.SetEpoch(open.Epoch);
            // Rounds promise nothing that a failover could ask about, unless an earlier promise ends with them.
            isPromising = open.AckMode != AckMode.Snapshot || group.Promise is not null;
            if (isPromising) group.NotePromise(new SourcePromise(open.AckMode, open.LeaseMs, site.Time.GetUtcNow()), isDurable: true);
            return null;
        }
        catch (Exception e) when (e is StoreException or JournalDamagedException)
        {
            return OpeningRules.Damaged(open, e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new Refusal(RefusalCode.Storage, $"group {open.Group}: the replica's storage failed: {e.Message}", "Look at the replica's volume, then sync again.");
        }
        catch (ArgumentException e)
        {
            return new Refusal(RefusalCode.Protocol, $"group {open.Group}: the replica cannot keep such a disk: {e.Message}", "A live image takes a multiple of the sector, up to 64 TiB.");
        }
    }

    private async Task ReceiveAsync(CancellationToken cancellation)
    {
        await Task.Yield();
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var timer = site.Time.CreateTimer(_ => silence.Cancel(), null, site.Options.SilenceMax, Timeout.InfiniteTimeSpan);
        try
        {
            while (await connection.ReceiveAsync(silence.Token) is { } message)
            {
                if (message is Bye) return;
                if (isFailed) continue;
                timer.Change(site.Options.SilenceMax, Timeout.InfiniteTimeSpan);
                if (isPromising) group.NotePromise(group.Promise! with { LastSign = site.Time.GetUtcNow() }, isDurable: false);
                if (Overdraft(message) is { } overdraft)
                {
                    SessionLog.Failed(site.Log, group.Description.Name, overdraft, null);
                    await connection.SendAsync(new Failure(RefusalCode.Protocol, $"group {group.Description.Name}: {overdraft}", ""), cancellation);
                    isFailed = true;
                    timer.Change(LastWordLimit, Timeout.InfiniteTimeSpan);
                    continue;
                }

                switch (message)
                {
                    case RecordBatch or BaselineBatch:
                        lane.Add(message);
                        break;
                    case SeedDisk seed when seeds.TryTake(seed):
                        // With the records, in order: nobody else writes a live image meanwhile.
                        lane.Add(message);
                        break;
                    case DigestCompare or AllocationQuery:
                        await questions.Writer.WriteAsync(message, cancellation);
                        break;
                    case Ping ping:
                        await connection.SendAsync(new Pong(ping.Id), cancellation);
                        break;
                    default:
                        await connection.SendAsync(new Failure(RefusalCode.Protocol, $"group {group.Description.Name}: a {message.Type} message has no place here", ""), cancellation);
                        isFailed = true;
                        timer.Change(LastWordLimit, Timeout.InfiniteTimeSpan);
                        break;
                }
            }
        }
        catch (OperationCanceledException) when (silence.IsCancellationRequested && !cancellation.IsCancellationRequested)
        {
            if (!isFailed) SessionLog.Silent(site.Log, connection.Peer, site.Options.SilenceMax.TotalSeconds);
        }
        finally
        {
            // What was received and is not yet durable was not acknowledged: it comes again.
            lane.Complete();
            questions.Writer.TryComplete();
            receivingEnded.TrySetResult();
        }
    }

    private async Task AppendAsync(CancellationToken cancellation)
    {
        await Task.Yield();
        try
        {
            await lane.RunAsync(cancellation);
        }
        catch (Exception e) when (e is (IOException and not ConnectionLostException) or ArgumentException or Protocol.ProtocolException or JournalDamagedException or UnauthorizedAccessException)
        {
            SessionLog.Failed(site.Log, group.Description.Name, e.Message, e);
            await TellAsync(ReplicaFailure.Explain(group.Description.Name, e), cancellation);
        }
    }

    private async Task AnswerAsync(CancellationToken cancellation)
    {
        await Task.Yield();
        using var answering = new LiveImageQuestions(group, site.Store.Identity.Id);
        try
        {
            await foreach (var question in questions.Reader.ReadAllAsync(cancellation))
                await connection.SendAsync(answering.Answer(question, cancellation), cancellation);
        }
        catch (Exception e) when (e is (IOException and not ConnectionLostException) or ArgumentException)
        {
            SessionLog.Failed(site.Log, group.Description.Name, e.Message, e);
            await TellAsync(ReplicaFailure.Explain(group.Description.Name, e), cancellation);
        }
    }

    /// <summary>Counts a message against the credit; what is wrong where it is far beyond. The slack is one record, which a source may send when nothing is under way.</summary>
    private string? Overdraft(IMessage message)
    {
        receivedBytes += RecordLane.Weigh(message);
        var granted = credit!.GrantedBytes;
        return receivedBytes <= granted + RecordLimits.MaxPayloadBytes ? null : $"the source sent {receivedBytes} bytes, {granted} were granted";
    }

    private ulong LastPoint() => group.Journal.NewestPoint?.Sequence ?? 0;

    /// <summary>Says why this session ends, and gives the peer a while to hear it and close.</summary>
    private async Task TellAsync(Failure failure, CancellationToken cancellation)
    {
        isFailed = true;
        try
        {
            await connection.SendAsync(failure, cancellation);
            await Task.WhenAny(receivingEnded.Task, Task.Delay(LastWordLimit, site.Time, cancellation));
        }
        catch (Exception e) when (e is ConnectionLostException or OperationCanceledException)
        {
            // The peer is gone; it will learn of it when it asks again.
        }
    }

    internal static string PhaseName(GroupPhase phase) => phase == GroupPhase.Baseline ? "baseline" : "following";

    private static DiskDescription Describe(DiskDeclaration disk) => new(disk.Id, disk.Name, disk.Length, disk.SectorSize, disk.Format);
}
