using Microsoft.Extensions.Logging;
using Polly;
using Polly.Retry;
using VmRepl.Protocol;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Records;
using VmRepl.Protocol.Security;

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
    private readonly ResiliencePipeline<FramedConnection> reconnecting;
    private readonly CancellationTokenSource closing = new();

    // One sender at a time: the order in which records are put here is their order on the wire, and a reconnect resends before anything new goes out.
    private readonly SemaphoreSlim sending = new(1, 1);
    private readonly Lock gate = new();

    // Under the gate.
    private readonly Queue<SentRecord> unacknowledged = [];
    private readonly Dictionary<ulong, Question> questions = [];
    private TaskCompletionSource progress = NewSignal();
    private Exception? fault;
    private FramedConnection? connection;
    private long sentBytes;
    private long grantedBytes;
    private ulong lastSent;
    private ulong nextQuestion;
    private Task running = Task.CompletedTask;
    private ulong? baselineIncarnation;

    public ReplicaLink(IReplicaConnector connector, OpenGroup opening, LinkOptions options, TimeProvider time, ILogger log)
    {
        this.connector = connector;
        this.opening = opening;
        this.options = options;
        this.time = time;
        this.log = log;
        reconnecting = new ResiliencePipelineBuilder<FramedConnection> { TimeProvider = time }
            .AddTimeout(options.RetryFor)
            .AddRetry(new RetryStrategyOptions<FramedConnection>
            {
                MaxRetryAttempts = int.MaxValue,
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                Delay = options.RetryDelay,
                MaxDelay = options.RetryDelayMax,
                ShouldHandle = new PredicateBuilder<FramedConnection>().Handle<IOException>().Handle<ProtocolException>(),
                OnRetry = attempt =>
                {
                    LinkLog.Retrying(log, opening.Group, connector.Peer, attempt.Outcome.Exception?.Message ?? "", attempt.RetryDelay.TotalSeconds);
                    return default;
                },
            })
            .Build();
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
        await EstablishAsync(cancellation);
        running = KeepUpAsync(closing.Token);
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
                    foreach (var one in sent)
                    {
                        one.Memory?.Hold();
                        unacknowledged.Enqueue(one);
                    }

                    sentBytes += records.Sum(CreditRule.Weigh);
                    previous = lastSent;
                    lastSent = records[^1].Header.Sequence;
                    current = connection;
                }

                // While the connection is down the records wait in the queue; the reconnect sends them.
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
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static Exception Rethrow(Exception fault) => fault is ReplicationException r
        ? new ReplicationException(r.Group, r.Message, r.Hint, r.IsRefusal, r)
        : fault is RoundRestartException restart ? new RoundRestartException(restart.Message) : new IOException(fault.Message, fault);

    private async Task EstablishAsync(CancellationToken cancellation)
    {
        try
        {
            await reconnecting.ExecuteAsync(async token => await ConnectOnceAsync(token), cancellation);
        }
        catch (Polly.Timeout.TimeoutRejectedException e)
        {
            throw new ReplicationException(opening.Group, $"group {opening.Group}: the replica {connector.Peer} could not be reached for {options.RetryFor.TotalSeconds:0} s{LastReason()}",
                "Look whether the replica runs and the address is right, then sync again; earlier points are kept.", cause: e);
        }
    }

    private string lastReason = "";

    private string LastReason() => lastReason.Length > 0 ? $": {lastReason}" : "";

    private async Task<FramedConnection> ConnectOnceAsync(CancellationToken cancellation)
    {
        FramedConnection? fresh = null;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var timer = time.CreateTimer(_ => limit.Cancel(), null, options.ConnectTimeout, Timeout.InfiniteTimeSpan);
        try
        {
            fresh = new FramedConnection(await connector.ConnectTransportAsync(limit.Token));
            var welcome = await Handshake.GreetAsync(fresh, new Hello(ProtocolVersion.Oldest, ProtocolVersion.Current, Software.Capabilities, opening.SourceId, Software.Name, Hello.Replicate), limit.Token);
            await fresh.SendAsync(opening, limit.Token);
            var state = Expect<GroupState>(await fresh.ReceiveAsync(limit.Token), fresh);
            await ResumeAsync(fresh, welcome, state, limit.Token);
            LinkLog.Connected(log, opening.Group, connector.Peer, state.Phase, state.Durable);
            return fresh;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            if (fresh is not null) await fresh.DisposeAsync();
            lastReason = $"no answer within {options.ConnectTimeout.TotalSeconds:0} s";
            throw new IOException(lastReason);
        }
        catch (Exception e)
        {
            if (fresh is not null) await fresh.DisposeAsync();
            lastReason = e.Message;
            throw e switch
            {
                RefusedException r => new ReplicationException(opening.Group, Named(r.Message), r.Hint, isRefusal: true, e),
                PeerAuthenticationException p => new ReplicationException(opening.Group, Named(p.Message), p.Hint, isRefusal: true, e),
                _ => System.Runtime.ExceptionServices.ExceptionDispatchInfo.Capture(e).SourceException,
            };
        }
    }

    private T Expect<T>(IMessage? message, FramedConnection from)
        where T : class, IMessage => message switch
        {
            T expected => expected,
            Refusal r => throw new ReplicationException(opening.Group, Named(r.Message), r.Hint, isRefusal: r.Code is RefusalCode.Certificate or RefusalCode.NotAllowed or RefusalCode.GroupTaken or RefusalCode.StaleEpoch),
            Failure f => throw new ReplicationException(opening.Group, Named(f.Message), f.Hint, isRefusal: f.Code is RefusalCode.BookmarkTaken),
            null => throw new IOException($"{from.Peer} closed the connection"),
            _ => throw new ProtocolException("message", 0, typeof(T).Name, message.Type.ToString()),
        };

    private string Named(string message) => message.Contains(opening.Group, StringComparison.Ordinal) ? message : $"group {opening.Group}: {message}";

    /// <summary>Takes up where the last connection ended: what the replica has is forgotten, the rest is sent again, in order, before anything new.</summary>
    private async Task ResumeAsync(FramedConnection fresh, Welcome welcome, GroupState state, CancellationToken cancellation)
    {
        var isFirst = State is null;
        if (!isFirst) await sending.WaitAsync(cancellation);
        try
        {
            if (!isFirst && (welcome.StoreId != StoreId || state.Durable < Durable))
                throw new RoundRestartException($"the replica came back with less than it had acknowledged (durable up to {state.Durable}, was {Durable})");
            if (baselineIncarnation is { } known && known != welcome.Incarnation)
                throw new RoundRestartException("the replica was restarted during the baseline");
            if (state.Phase == "baseline") baselineIncarnation = welcome.Incarnation;
            List<SentRecord> again;
            List<IMessage> asked;
            lock (gate)
            {
                StoreId = welcome.StoreId;
                Durable = Math.Max(Durable, state.Durable);
                State = state;
                Forget(r => !r.IsBaseline && r.Record.Header.Sequence <= Durable);
                again = [.. unacknowledged];
                asked = [.. questions.Values.Select(q => q.Message)];
                // Credit is counted anew on each connection; what is sent again is within it, for it was within it before.
                sentBytes = again.Sum(r => CreditRule.Weigh(r.Record));
                grantedBytes = (long)state.CreditBytes;
            }

            var previous = state.Durable;
            foreach (var sent in again)
            {
                await fresh.SendAsync(sent.IsBaseline ? new BaselineBatch([sent.Record]) : new RecordBatch(0, previous, [sent.Record]), cancellation);
                previous = sent.Record.Header.Sequence;
            }

            foreach (var question in asked) await fresh.SendAsync(question, cancellation);
            lock (gate)
            {
                if (isFirst) lastSent = state.Durable;
                connection = fresh;
                Signal();
            }
        }
        finally
        {
            if (!isFirst) sending.Release();
        }
    }

    /// <summary>Receives until the connection ends, then makes another, until the link is closed or there is no going on.</summary>
    private async Task KeepUpAsync(CancellationToken cancellation)
    {
        await Task.Yield();
        try
        {
            while (true)
            {
                var reason = await FollowAsync(connection!, cancellation);
                LinkLog.Lost(log, opening.Group, connector.Peer, reason);
                lastReason = reason;
                await DropAsync();
                await EstablishAsync(cancellation);
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
                    case DigestResult result:
                        Resolve(result.Id, result);
                        break;
                    case AllocationResult result:
                        Resolve(result.Id, result);
                        break;
                    case Pong:
                        break;
                    default:
                        Expect<Ack>(message, current);
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
            Durable = Math.Max(Durable, ack.Durable);
            grantedBytes = (long)ack.CreditBytes;
            // Baseline contents count as taken when written; they are made durable as a whole, by the record that ends the baseline.
            Forget(r => r.Record.Header.Sequence <= (r.IsBaseline ? ack.Received : ack.Durable));
            Signal();
        }
    }

    private bool HasCredit(long bytes) => fault is not null || sentBytes + bytes <= grantedBytes || unacknowledged.Count == 0;

    private void Forget(Func<SentRecord, bool> isDone)
    {
        while (unacknowledged.TryPeek(out var oldest) && isDone(oldest))
        {
            unacknowledged.Dequeue();
            oldest.Memory?.Release();
        }
    }

    private void Resolve(ulong id, IMessage answer)
    {
        lock (gate)
        {
            if (questions.Remove(id, out var question)) question.Answer.TrySetResult(answer);
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

    private async Task DropAsync()
    {
        FramedConnection? dropped;
        lock (gate)
        {
            dropped = connection;
            connection = null;
            if (dropped is null) return;
            closedBytesSent += dropped.BytesSent;
            closedDigestBytes += dropped.BytesSentBy(MessageType.DigestCompare);
        }

        await dropped.DisposeAsync();
    }

    private sealed class Question(IMessage message)
    {
        public IMessage Message { get; } = message;

        public TaskCompletionSource<IMessage> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
