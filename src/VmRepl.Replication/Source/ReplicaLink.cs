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
internal sealed class ReplicaLink : IAsyncDisposable
{
    private readonly IReplicaConnector connector;
    private readonly OpenGroup opening;
    private readonly LinkOptions options;
    private readonly TimeProvider time;
    private readonly ILogger log;
    private readonly ReplicaDialer dialer;
    private readonly RoomAtReplica room;
    private readonly CancellationTokenSource closing = new();

    // One sender at a time: the order in which records are put here is their order on the wire, and a reconnect resends before anything new goes out.
    private readonly SemaphoreSlim sending = new(1, 1);
    private readonly Lock gate = new();

    // Under the gate. What went out on this connection, and what is to go out on it before anything new: all that the replica is not known to have.
    private readonly Queue<SentRecord> unacknowledged = [];
    private readonly Queue<SentRecord> resending = [];
    private readonly Dictionary<ulong, Question> questions = [];
    private TaskCompletionSource progress = NewSignal();
    private TaskCompletionSource headway = NewSignal();
    private Exception? fault;
    private FramedConnection? connection;
    private long sentBytes;
    private long resendingBytes;
    private long grantedBytes;
    private ulong lastSent;
    private ulong nextQuestion;
    private Task running = Task.CompletedTask;
    private ulong? baselineIncarnation;

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
        var bound = (time.GetUtcNow() + TimeSpan.FromDays(1) - DateTimeOffset.UnixEpoch).Ticks / 10;
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
                    // Where the connection is down, or broke before it had all that was to come first, they queue behind that: the order is the sequence's, always.
                    current = resending.Count == 0 ? connection : null;
                    foreach (var one in sent)
                    {
                        one.Memory?.Hold();
                        (current is null ? resending : unacknowledged).Enqueue(one);
                        if (current is null) resendingBytes += CreditRule.Weigh(one.Record);
                        else sentBytes += CreditRule.Weigh(one.Record);
                    }

                    previous = lastSent;
                    lastSent = records[^1].Header.Sequence;
                }

                if (current is not null) await TrySendAsync(current, isBaseline ? new BaselineBatch(records) : new RecordBatch(0, previous, records), cancellation);
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
        Question question;
        await sending.WaitAsync(cancellation);
        try
        {
            FramedConnection? current;
            lock (gate)
            {
                if (fault is not null) throw Rethrow(fault);
                var id = ++nextQuestion;
                question = new Question(build(id));
                questions.Add(id, question);
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

    public async ValueTask DisposeAsync()
    {
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

    /// <summary>
    /// Connects anew and takes up where the last connection ended: what the replica has is forgotten, the rest is sent again, in order, before anything new.
    /// Succeeds with the first sign that it gets somewhere; a connection that ends before is one more failed attempt, so that what breaks every connection is met with patience and at last with an end.
    /// </summary>
    /// <returns>The following of the new connection.</returns>
    private async Task<Task<string>> ReconnectAsync(CancellationToken cancellation)
    {
        var opened = await dialer.DialAsync(cancellation);
        try
        {
            Task<string> following;
            Task sign;
            await sending.WaitAsync(cancellation);
            try
            {
                Adopt(opened);
                lock (gate) sign = headway.Task;
                // Acknowledgements are received meanwhile: they bring the credit that the rest of it waits for.
                following = FollowAsync(opened.Connection, closing.Token);
                await ResendAsync(opened, following, cancellation);
            }
            finally
            {
                sending.Release();
            }

            await Task.WhenAny(following, sign).WaitAsync(cancellation);
            if (sign.IsCompleted || !following.IsCompleted) return following;
            dialer.LastReason = await following;
        }
        catch
        {
            await DropAsync(opened.Connection);
            throw;
        }

        await DropAsync(opened.Connection);
        throw new IOException(dialer.LastReason);
    }

    /// <summary>Makes an opened connection the link's own.</summary>
    /// <exception cref="RoundRestartException">The replica does not have what was built on.</exception>
    private void Adopt(OpenedGroup opened)
    {
        var (fresh, welcome, state) = opened;
        lock (gate)
        {
            connection = fresh;
            if (State is null) lastSent = state.Durable;
            else if (welcome.StoreId != StoreId || state.Durable < Durable)
                throw new RoundRestartException($"the replica came back with less than it had acknowledged (durable up to {state.Durable}, was {Durable})");
            // Its numbers are others than ours of the same value, and what was compared with its live image compares no more.
            if (State is not null && state.NewestRewind > State.NewestRewind) throw new RoundRestartException("the replica was rewound in the middle of the round");
            if (state.Phase == "baseline" && baselineIncarnation is { } known && known != welcome.Incarnation)
                throw new RoundRestartException("the replica was restarted during the baseline");
            if (state.Phase == "baseline") baselineIncarnation = welcome.Incarnation;
            StoreId = welcome.StoreId;
            Durable = state.Durable;
            State = state;
            SentRecord[] all = [.. unacknowledged, .. resending];
            unacknowledged.Clear();
            resending.Clear();
            // What comes after baseline contents is durable only when they were taken, so this holds for them too.
            foreach (var record in all)
            {
                if (record.Record.Header.Sequence > Durable) resending.Enqueue(record);
                else record.Memory?.Release();
            }

            // Credit is counted anew on each connection.
            sentBytes = 0;
            resendingBytes = resending.Sum(r => CreditRule.Weigh(r.Record));
            grantedBytes = Credit(state.CreditBytes);
            headway = NewSignal();
            Signal();
        }
    }

    /// <summary>Sends again what the replica does not have, within its credit, and asks again what it has not answered. The sender's place is held.</summary>
    private async Task ResendAsync(OpenedGroup opened, Task<string> following, CancellationToken cancellation)
    {
        var previous = opened.State.Durable;
        // Not disposed of here: the end of the connection, whenever it comes, still cancels it.
        var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        _ = following.ContinueWith(_ => ended.CancelAsync(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        try
        {
            while (true)
            {
                SentRecord? sent;
                lock (gate)
                {
                    if (!resending.TryPeek(out sent)) break;
                }

                var weight = CreditRule.Weigh(sent.Record);
                await WaitUntilAsync(() => sentBytes + weight <= grantedBytes || unacknowledged.Count == 0, ended.Token);
                // Held through the sending: a replica that acknowledges what it has not been sent must not be sent what this memory holds next.
                sent.Memory?.Hold();
                lock (gate)
                {
                    unacknowledged.Enqueue(resending.Dequeue());
                    sentBytes += weight;
                    resendingBytes -= weight;
                }

                await opened.Connection.SendAsync(sent.IsBaseline ? new BaselineBatch([sent.Record]) : new RecordBatch(0, previous, [sent.Record]), ended.Token);
                sent.Memory?.Release();
                previous = sent.Record.Header.Sequence;
            }

            IMessage[] asked;
            lock (gate) asked = [.. questions.Values.Select(q => q.Message)];
            foreach (var question in asked) await opened.Connection.SendAsync(question, ended.Token);
            // Where nothing is outstanding its answer is the sign of life.
            await opened.Connection.SendAsync(new Ping(0), ended.Token);
        }
        catch (Exception e) when (e is IOException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            // The connection ended; whoever follows it knows why.
        }
    }

    /// <summary>Waits for the connection's end, then makes another, until the link is closed or there is no going on.</summary>
    private async Task KeepUpAsync(Task<string> following, CancellationToken cancellation)
    {
        await Task.Yield();
        try
        {
            while (true)
            {
                dialer.LastReason = await following;
                LinkLog.Lost(log, opening.Group, connector.Peer, dialer.LastReason);
                await DropAsync();
                following = await dialer.PersistAsync(ReconnectAsync, cancellation);
            }
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellation.IsCancellationRequested)
        {
            Fail(e);
        }
        catch (OperationCanceledException)
        {
            Fail(new IOException("the link was closed"));
            throw;
        }
    }

    /// <summary>Receives acknowledgements and answers; returns why the connection ended.</summary>
    private async Task<string> FollowAsync(FramedConnection current, CancellationToken cancellation)
    {
        await Task.Yield();
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var timer = time.CreateTimer(_ => silence.Cancel(), null, options.SilenceMax, Timeout.InfiniteTimeSpan);
        var pinging = PingAsync(current, silence.Token);
        try
        {
            while (await current.ReceiveAsync(silence.Token) is { } message)
            {
                timer.Change(options.SilenceMax, Timeout.InfiniteTimeSpan);
                switch (message)
                {
                    case Ack ack:
                        Take(ack);
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
                    case Pong:
                        lock (gate)
                        {
                            if (unacknowledged.Count == 0 && resending.Count == 0 && questions.Count == 0) headway.TrySetResult();
                        }

                        break;
                    default:
                        dialer.Expect<Ack>(message, current);
                        break;
                }
            }

            return "the replica closed it";
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return $"nothing came for {options.SilenceMax.TotalSeconds:0} s";
        }
        catch (Exception e) when (e is IOException or ProtocolException)
        {
            return e.Message;
        }
        finally
        {
            await silence.CancelAsync();
            await pinging;
        }
    }

    private async Task PingAsync(FramedConnection current, CancellationToken cancellation)
    {
        try
        {
            for (ulong id = 1; ; id++)
            {
                await Task.Delay(options.PingInterval, time, cancellation);
                await current.SendAsync(new Ping(id), cancellation);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // The receiving side sees the same end and says why.
        }
    }

    private void Take(Ack ack)
    {
        lock (gate)
        {
            if (ack.Durable > Math.Max(lastSent, State.Durable)) throw new ProtocolException("ack durable", 0, $"at most {lastSent}, which was sent", $"{ack.Durable}");
            var before = (Durable, unacknowledged.Count);
            Durable = Math.Max(Durable, ack.Durable);
            grantedBytes = Credit(ack.CreditBytes);
            // Baseline contents count as taken when written; they are made durable as a whole, by the record that ends the baseline.
            while (unacknowledged.TryPeek(out var oldest) && oldest.Record.Header.Sequence <= (oldest.IsBaseline ? ack.Received : ack.Durable)) unacknowledged.Dequeue().Memory?.Release();
            if ((Durable, unacknowledged.Count) == before)
            {
                Signal();
                return;
            }

            headway.TrySetResult();
            Signal();
        }

        room.GoOn();
    }

    private static long Credit(ulong bytes) => (long)Math.Min(bytes, long.MaxValue / 2);

    private bool HasCredit(long bytes) => fault is not null || sentBytes + resendingBytes + bytes <= grantedBytes || (unacknowledged.Count == 0 && resending.Count == 0);

    private void Resolve(ulong id, IMessage answer)
    {
        lock (gate)
        {
            if (!questions.Remove(id, out var question)) return;
            headway.TrySetResult();
            question.Answer.TrySetResult(answer);
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
                changed = progress.Task;
            }

            await changed.WaitAsync(cancellation);
        }
    }

    private void Signal()
    {
        var signalled = progress;
        progress = NewSignal();
        signalled.TrySetResult();
    }

    private void Fail(Exception e)
    {
        lock (gate)
        {
            fault ??= e;
            foreach (var question in questions.Values) question.Answer.TrySetException(Rethrow(e));
            questions.Clear();
            Signal();
        }
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

    private sealed class Question(IMessage message)
    {
        public IMessage Message { get; } = message;

        public TaskCompletionSource<IMessage> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
