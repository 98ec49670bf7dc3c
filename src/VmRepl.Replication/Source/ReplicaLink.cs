using Microsoft.Extensions.Logging;
using VmRepl.Protocol;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Records;

namespace VmRepl.Replication.Source;

/// <summary>
/// A source's hold on the replica of one group through a round, over as many connections as it takes.
/// <para>States: unopened, connected, reconnecting, faulted (final: every wait ends with the reason), closed.</para>
/// <para>What was sent and is not acknowledged is kept, in order, and sent again after a reconnect from the replica's <c>durable</c> on; questions without an answer are asked again.
/// Whoever uses the link sees none of it, only time passing. Kept bytes are bounded by the replica's credit.</para>
/// </summary>
internal sealed partial class ReplicaLink : IAsyncDisposable
{
    private readonly IReplicaConnector connector;
    private readonly OpenGroup opening;
    private readonly LinkOptions options;
    private readonly TimeProvider time;
    private readonly ILogger log;
    private readonly ReplicaDialer dialer;
    private readonly RoomAtReplica room;
    private readonly LinkAbsence absence;
    private readonly CancellationTokenSource closing = new();

    // One sender at a time: the order in which records are put here is their order on the wire, and a reconnect resends before anything new goes out.
    private readonly SemaphoreSlim sending = new(1, 1);
    private readonly Lock gate = new();

    // Under the gate.
    private readonly LinkBacklog backlog = new();
    private readonly LinkQuestions questions = new();
    private readonly WakeUp progress = new();
    private TaskCompletionSource headway = NewSignal();
    private Exception? fault;
    private FramedConnection? connection;
    private Task running = Task.CompletedTask;
    private ulong? baselineIncarnation;
    private readonly TaskCompletionSource faulted = NewSignal();

    /// <param name="roomChanged">Told why the replica has no room, and null when it goes on.</param>
    public ReplicaLink(IReplicaConnector connector, OpenGroup opening, LinkOptions options, TimeProvider time, ILogger log, Action<string?>? roomChanged = null)
    {
        this.connector = connector;
        this.opening = opening;
        this.options = options;
        this.time = time;
        this.log = log;
        dialer = new ReplicaDialer(connector, opening, options, time, log, DropAsync);
        room = new RoomAtReplica(opening.Group, options, time, log, roomChanged, Fail);
        absence = new LinkAbsence(options.GoneAfter, time, GiveUpIfGone);
    }

    /// <summary>Told how far the replica is, received and durable, whenever it says so; received is 0 where it said only what is durable. Called under no lock.</summary>
    public Action<ulong, ulong>? Acknowledged { get; init; }

    /// <summary>Told how far the replica is with a seed.</summary>
    public Action<SeedProgress>? SeedProgressed { get; set; }

    /// <summary>Told of every sign of life of the replica.</summary>
    public Action? Heard { get; init; }

    /// <summary>Asked when the connection was away for <see cref="LinkOptions.GoneAfter"/>: whether the link is given up. By default it is.</summary>
    public Func<bool>? IsGivenUpWhenGone { get; init; }

    /// <summary>Whether it was given up because the connection was away for too long.</summary>
    public bool IsGone { get; private set; }

    /// <summary>Ends, with the reason, when there is no going on.</summary>
    public Task Faulted => faulted.Task;

    /// <summary>Why there is no connection that gets somewhere at the moment; null where there is one.</summary>
    public string? DownReason
    {
        get
        {
            lock (gate) return connection is null || absence.IsLasting ? dialer.LastReason : null;
        }
    }

    /// <summary>Since when there is one, or none; microseconds since 1970.</summary>
    public long DownOrUpSinceUs => absence.SinceUs;

    /// <summary>Bytes that the replica has granted and that are not used.</summary>
    public long CreditBytes
    {
        get
        {
            lock (gate) return backlog.CreditBytes;
        }
    }

    /// <summary>The replica's answer to the newest opening.</summary>
    public GroupState State { get; private set; } = null!;

    /// <summary>Which store answers.</summary>
    public Guid StoreId { get; private set; }

    /// <summary>Newest sequence known durable at the replica.</summary>
    public ulong Durable { get; private set; }

    /// <summary>Bytes put on the wire by all connections of this link, frames included.</summary>
    public long BytesSent => closedBytesSent + (connection?.BytesSent ?? 0);

    /// <summary>The part of them that were digests.</summary>
    public long DigestBytesSent => closedDigestBytes + (connection?.BytesSentBy(MessageType.DigestCompare) ?? 0);

    private long closedBytesSent, closedDigestBytes;

    /// <summary>Connects, opens the group and keeps the link up until it is disposed of.</summary>
    /// <exception cref="ReplicationException">The replica refused, or could not be reached in time.</exception>
    public async Task OpenAsync(CancellationToken cancellation)
    {
        var opened = await dialer.PersistAsync(dialer.DialAsync, cancellation);
        Adopt(opened);
        running = KeepUpAsync(FollowAsync(opened.Connection, closing.Token), closing.Token);
    }

    /// <summary>The time behind which records go on: this side's newest, or the replica's where a rewind put one there; no clock of a replica's takes it beyond a day from now.</summary>
    public long BeginTimeUs(long ownNewestTimeUs)
    {
        var bound = time.NowUs() + (long)TimeSpan.FromDays(1).TotalMicroseconds;
        return Math.Max(ownNewestTimeUs, Math.Min(State.NewestTimeUs, bound));
    }

    /// <summary>Builds and sends records in order; waits while the replica has granted no credit. On return they are kept until acknowledged, not yet durable.</summary>
    /// <param name="build">Makes the records, all of them of a baseline or none, with their sequence numbers; called when it is their turn.</param>
    /// <param name="bytes">What they weigh, about; the wait for credit goes by it.</param>
    public async Task SendAsync(Func<SentRecord[]> build, long bytes, CancellationToken cancellation)
    {
        while (true)
        {
            // Waited for before the sender's place is taken: a reconnect needs that place to bring new credit.
            await WaitUntilAsync(() => HasCredit(bytes), cancellation);
            await sending.WaitAsync(cancellation);
            try
            {
                lock (gate)
                {
                    if (fault is not null) throw Rethrow(fault);
                    if (!HasCredit(bytes)) continue;
                }

                var sent = build();
                if (sent.Length == 0) return;
                var isBaseline = sent[0].IsBaseline;
                Record[] records = [.. sent.Select(s => s.Record)];
                FramedConnection? current;
                ulong previous;
                lock (gate)
                {
                    // Where the connection is down, or broke before it had all that was to come first, they queue behind that.
                    current = backlog.IsResending ? null : connection;
                    previous = backlog.Add(sent, areSent: current is not null);
                }

                if (current is not null) await TrySendAsync(current, isBaseline ? new BaselineBatch(previous, records) : new RecordBatch(0, previous, records), cancellation);
                return;
            }
            finally
            {
                sending.Release();
            }
        }
    }

    /// <summary>Asks the replica and waits for the answer.</summary>
    public async Task<TAnswer> AskAsync<TAnswer>(Func<ulong, IMessage> build, CancellationToken cancellation)
        where TAnswer : IMessage
    {
        LinkQuestions.Question question;
        await sending.WaitAsync(cancellation);
        try
        {
            FramedConnection? current;
            lock (gate)
            {
                if (fault is not null) throw Rethrow(fault);
                question = questions.Add(build);
                current = connection;
            }

            if (current is not null) await TrySendAsync(current, question.Message, cancellation);
        }
        finally
        {
            sending.Release();
        }

        return await question.Answer.Task.WaitAsync(cancellation) is TAnswer answer
            ? answer
            : throw new ProtocolException("answer", 0, typeof(TAnswer).Name, "another message");
    }

    /// <summary>Waits until everything up to <paramref name="sequence"/> is on stable storage at the replica.</summary>
    public Task WaitDurableAsync(ulong sequence, CancellationToken cancellation) => WaitUntilAsync(() => Durable >= sequence, cancellation);

    /// <summary>Waits while there is no connection: what is not sent yet is better kept where it may be overtaken by something newer.</summary>
    public Task WaitConnectedAsync(CancellationToken cancellation) => WaitUntilAsync(() => connection is not null, cancellation);

    public async ValueTask DisposeAsync()
    {
        absence.Dispose();
        if (connection is { } last)
        {
            try
            {
                using var soon = new CancellationTokenSource(options.ConnectTimeout, time);
                await last.SendAsync(new Bye(), soon.Token);
            }
            catch (Exception e) when (e is IOException or OperationCanceledException)
            {
                // It was going anyway.
            }
        }

        await closing.CancelAsync();
        try
        {
            await running;
        }
        catch (OperationCanceledException)
        {
            // The end that was asked for.
        }

        await DropAsync();
        room.Dispose();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static Exception Rethrow(Exception fault) => fault is ReplicationException r
        ? new ReplicationException(r.Group, r.Message, r.Hint, r.IsRefusal, r)
        : fault is RoundRestartException restart ? new RoundRestartException(restart.Message) : new IOException(fault.Message, fault);

    /// <summary>Receives acknowledgements and answers; returns why the connection ended.</summary>
    private Task<string> FollowAsync(FramedConnection current, CancellationToken cancellation) => new ConnectionFollower(current, options, time).RunAsync(message =>
    {
        switch (message)
        {
            case Ack ack:
                Take(ack);
                Acknowledged?.Invoke(ack.Received, ack.Durable);
                break;
            case NoRoom none:
                room.Wait(none.Reason);
                // It is there, and has taken what it could: that is a sign of life.
                lock (gate) headway.TrySetResult();
                break;
            case DigestResult result:
                Resolve(result.Id, result);
                break;
            case AllocationResult result:
                Resolve(result.Id, result);
                break;
            case SeedProgress filling:
                room.GoOn();
                SeedProgressed?.Invoke(filling);
                lock (gate) headway.TrySetResult();
                break;
            case DiskSeeded seeded:
                room.GoOn();
                Resolve(seeded.Id, seeded);
                break;
            case Pong:
                Heard?.Invoke();
                lock (gate)
                {
                    if (backlog.IsEmpty && questions.IsEmpty) headway.TrySetResult();
                }

                break;
            default:
                dialer.Expect<Ack>(message, current);
                break;
        }
    }, cancellation);

    private void Take(Ack ack)
    {
        lock (gate)
        {
            if (ack.Durable > Math.Max(backlog.LastSent, State.Durable)) throw new ProtocolException("ack durable", 0, $"at most {backlog.LastSent}, which was sent", $"{ack.Durable}");
            var before = (Durable, backlog.UnacknowledgedCount);
            Durable = Math.Max(Durable, ack.Durable);
            backlog.Take(ack);
            if ((Durable, backlog.UnacknowledgedCount) == before)
            {
                progress.Set();
                return;
            }

            headway.TrySetResult();
            progress.Set();
        }

        room.GoOn();
    }

    private bool HasCredit(long bytes) => fault is not null || backlog.HasCredit(bytes);

    private void Resolve(ulong id, IMessage answer)
    {
        lock (gate)
        {
            if (questions.TryAnswer(id, answer)) headway.TrySetResult();
        }
    }

    private async Task WaitUntilAsync(Func<bool> condition, CancellationToken cancellation)
    {
        while (true)
        {
            Task changed;
            lock (gate)
            {
                if (condition()) return;
                if (fault is not null) throw Rethrow(fault);
                changed = progress.Next;
            }

            await changed.WaitAsync(cancellation);
        }
    }

    private void GiveUpIfGone()
    {
        if (IsGivenUpWhenGone is { } asked && !asked()) return;
        lock (gate)
        {
            if (fault is not null) return;
            IsGone = true;
        }

        Fail(new ReplicationException(opening.Group, $"group {opening.Group}: the replica {connector.Peer} was away for {options.GoneAfter!.Value.TotalSeconds:0.#} s: {dialer.LastReason}", "Changes are tracked and brought over when it is back."));
    }

    private void Fail(Exception e)
    {
        lock (gate)
        {
            fault ??= e;
            questions.Fail(() => Rethrow(e));
            progress.Set();
        }

        faulted.TrySetException(Rethrow(e));
        // Most users learn of it by what they wait for.
        _ = faulted.Task.Exception;
    }

    /// <summary>Sends; a connection that breaks meanwhile is somebody else's to mend, and what was to be sent is kept.</summary>
    private static async Task TrySendAsync(FramedConnection current, IMessage message, CancellationToken cancellation)
    {
        try
        {
            await current.SendAsync(message, cancellation);
        }
        catch (IOException)
        {
            // The receiving loop sees the end and reconnects.
        }
    }

    private async Task DropAsync(FramedConnection? ended = null)
    {
        lock (gate)
        {
            ended ??= connection;
            if (ReferenceEquals(ended, connection)) connection = null;
            if (ended is null) return;
            closedBytesSent += ended.BytesSent;
            closedDigestBytes += ended.BytesSentBy(MessageType.DigestCompare);
        }

        await ended.DisposeAsync();
    }
}
