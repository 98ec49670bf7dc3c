using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;

namespace VmRepl.Replication.Source;

/// <content>Connections: taking one up, sending again what the last one left open, making another when it ends.</content>
internal sealed partial class ReplicaLink
{
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
                _ = sign.ContinueWith(_ => absence.End(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
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
            if (State is null) backlog.Begin(state.Durable);
            else if (welcome.StoreId != StoreId || state.Durable < Durable)
                throw new RoundRestartException($"the replica came back with less than it had acknowledged (durable up to {state.Durable}, was {Durable})");
            // Its numbers are others than ours of the same value, and what was compared with its live image compares no more.
            if (State is not null && state.IsRewoundSince(State.NewestRewind)) throw new RoundRestartException("the replica was rewound in the middle of the round");
            if (state.Phase == "baseline" && baselineIncarnation is { } known && known != welcome.Incarnation)
                throw new RoundRestartException("the replica was restarted during the baseline");
            if (state.Phase == "baseline") baselineIncarnation = welcome.Incarnation;
            connection = fresh;
            StoreId = welcome.StoreId;
            Durable = state.Durable;
            State = state;
            backlog.Rebase(Durable, state.CreditBytes);
            headway = NewSignal();
            progress.Set();
        }

        Acknowledged?.Invoke(0, state.Durable);
    }

    /// <summary>Sends again what the replica does not have, within its credit, and asks again what it has not answered. The sender's place is held.</summary>
    private async Task ResendAsync(OpenedGroup opened, Task<string> following, CancellationToken cancellation)
    {
        // Not disposed of here: the end of the connection, whenever it comes, still cancels it.
        var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        _ = following.ContinueWith(_ => ended.CancelAsync(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        try
        {
            while (true)
            {
                SentRecord? sent;
                lock (gate) sent = backlog.NextToResend;
                if (sent is null) break;
                var weight = CreditRule.Weigh(sent.Record);
                await WaitUntilAsync(() => backlog.HasCreditToResend(weight), ended.Token);
                // Held through the sending: a replica that acknowledges what it has not been sent must not be sent what this memory holds next.
                sent.Memory?.Hold();
                ulong previous;
                lock (gate) previous = backlog.BeginResend();
                await opened.Connection.SendAsync(sent.IsBaseline ? new BaselineBatch(previous, [sent.Record]) : new RecordBatch(0, previous, [sent.Record]), ended.Token);
                sent.Memory?.Release();
            }

            IMessage[] asked;
            lock (gate) asked = questions.Messages;
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
                absence.Begin();
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
}
