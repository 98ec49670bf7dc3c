using System.Buffers;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using VmRepl.Nbd.Transport;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Server;

/// <summary>
/// The second part of a connection: requests and answers.
/// <para>
/// One thread at a time has the <see cref="Turn"/>: it receives, checks, and, while the device is quick (<see cref="Pace"/>), carries out requests itself and sends many answers in one call. Anything that
/// may take long it carries out only after it has given the turn to another thread, of which there are as many as needed, up to a bound; so answers come out of order. A thread that stands still with the turn
/// loses it (<see cref="StallWatch"/>). A write that the device has taken and ends later holds no thread at all (<see cref="DeferredAnswers"/>).
/// </para>
/// </summary>
internal sealed class ClientSession
{
    private const int DiscardBytesMax = 64 << 20;
    private const int StackBytes = 512 << 10;

    private readonly INbdTransport transport;
    private readonly AnswerSender sender;
    private readonly RequestAnswers answers;
    private readonly DeferredAnswers deferred;
    private readonly RequestCheck check;
    private readonly StallWatch watch;
    private readonly string peer;
    private readonly int threadsMax;
    private readonly ILogger log;
    private readonly Turn turn;
    private readonly Pace pace = new();
    private readonly SemaphoreSlim turnFree = new(1, 1);
    private readonly CountdownEvent threads = new(1);
    private int idle;
    private long requests;

    // Whether writes were begun since the last release. Only by whoever has the turn.
    private bool hasBegun;
    private volatile bool isEnded;
    private string? endReason;

    public ClientSession(INbdTransport transport, ReceiveBuffer receive, ChosenExport chosen, string peer, NbdServerOptions options, StallWatch watch, ILogger log)
    {
        this.transport = transport;
        this.peer = peer;
        this.watch = watch;
        this.log = log;
        threadsMax = options.RequestsMax;
        sender = new AnswerSender(transport);
        answers = new RequestAnswers(chosen, sender, pace, peer, log);
        deferred = new DeferredAnswers(answers, sender, options.RequestsMax, reason => End(reason, abort: true));
        check = new RequestCheck(chosen.Facts, chosen.HasStructuredReplies, chosen.Contexts.Count > 0);
        turn = new Turn(receive);
    }

    public long Requests => Volatile.Read(ref requests);

    /// <summary>Serves the client to its end; every thread of the connection has ended when it returns.</summary>
    /// <returns>Why it was cut off; null where the client ended as it should.</returns>
    public string? Run()
    {
        watch.Add(this);
        try
        {
            Work();
        }
        finally
        {
            watch.Remove(this);
            threads.Signal();
            threads.Wait();
            // A client that was cut off between two requests.
            if (hasBegun) answers.Release();
            deferred.Complete();
        }

        return endReason;
    }

    public void TakeIfStalled(long limit)
    {
        if (!turn.TryTake(limit)) return;
        pace.NoteStall();
        GiveTurn();
    }

    private void Work()
    {
        while (true)
        {
            Interlocked.Increment(ref idle);
            turnFree.Wait();
            Interlocked.Decrement(ref idle);
            if (isEnded)
            {
                turnFree.Release();
                return;
            }

            var hasTurn = true;
            try
            {
                Lead(ref hasTurn);
            }
            catch (Exception e) when (e is IOException or NbdClientException)
            {
                End(e.Message, abort: true);
            }
            catch (Exception e)
            {
                ServerLog.Fault(log, peer, e.Message, e);
                End("the server failed", abort: true);
            }

            if (hasTurn) turnFree.Release();
        }
    }

    private void End(string? reason, bool abort)
    {
        if (!isEnded) endReason = reason;
        isEnded = true;
        if (abort) transport.Abort();
    }

    /// <summary>Makes sure that somebody takes the turn next, and lets it go.</summary>
    private void GiveTurn()
    {
        if (Volatile.Read(ref idle) == 0 && threads.CurrentCount < threadsMax && !isEnded)
        {
            threads.AddCount();
            new Thread(() =>
            {
                Work();
                threads.Signal();
            }, StackBytes)
            { IsBackground = true, Name = "nbd request" }.Start();
        }

        turnFree.Release();
    }

    /// <summary>Receives and answers until the turn is given away, taken, or over.</summary>
    private void Lead(ref bool hasTurn)
    {
        while (true)
        {
            if (turn.Left is { } left)
            {
                sender.Send(left.Finished);
                turn.Left = null;
            }

            if (!TryReceive(out var request)) return;
            if (request.Command == NbdCommand.Disconnect)
            {
                SendBatch();
                End(null, abort: false);
                return;
            }

            Volatile.Write(ref requests, requests + 1);
            var (error, reason) = check.Check(request);
            if (error != NbdError.None)
            {
                Turned(request, error, reason!);
                continue;
            }

            var defers = MayDefer(request);
            if (!IsForTurn(request) || !pace.IsQuick() || (defers && deferred.IsFull))
            {
                if (request is { Command: NbdCommand.Write, Length: > RequestAnswers.PieceBytes })
                {
                    WriteInPieces(request);
                    continue;
                }

                var payload = request.Command == NbdCommand.Write ? ReceivePayload(request) : null;
                SendBatch();
                defers = defers && !deferred.IsFull;
                if (defers) deferred.Enter();
                hasTurn = false;
                GiveTurn();
                if (defers) answers.BeginAlone(request, payload!, deferred);
                else answers.RunAlone(request, payload);
                return;
            }

            RunInTurn(request, defers, ref hasTurn);
            if (!hasTurn) return;
        }
    }

    /// <summary>Whether it moves little and waits for nothing but the device's contents.</summary>
    private static bool IsForTurn(in NbdRequest request) => request.Command switch
    {
        NbdCommand.Read => request.Length <= ReplyBatch.ReplyBytesMax,
        NbdCommand.Write => request.Length <= ReceiveBuffer.WholeBytesMax && !request.Flags.HasFlag(NbdCommandFlags.Fua),
        _ => false,
    };

    /// <summary>Whether it may be answered after the device has taken it.</summary>
    private bool MayDefer(in NbdRequest request) => request.Command == NbdCommand.Write && answers.DefersWrites && !request.Flags.HasFlag(NbdCommandFlags.Fua);

    private bool TryReceive(out NbdRequest request)
    {
        request = default;
        if (!Fill(NbdRequest.Size))
        {
            End(turn.Receive.Available == 0 ? null : "it ended within a request", abort: false);
            return false;
        }

        if (!NbdRequest.TryRead(turn.Receive.Peek(NbdRequest.Size), out request)) throw new NbdClientException("a request does not begin with the magic of one");
        turn.Receive.Skip(NbdRequest.Size);
        return true;
    }

    /// <summary>Waits for that many bytes, but lets no answer wait with it.</summary>
    private bool Fill(int count)
    {
        if (turn.Receive.Available >= count) return true;
        SendBatch();
        return turn.Receive.Fill(count);
    }

    /// <summary>Answers a request that is not carried out. What a write brings along is read past, since the next request comes behind it.</summary>
    private void Turned(in NbdRequest request, NbdError error, string reason)
    {
        if (request.Command == NbdCommand.Write)
        {
            if (request.Length > DiscardBytesMax) throw new NbdClientException($"a write of {request.Length} bytes");
            SendBatch();
            if (!turn.Receive.Discard(request.Length)) throw new NbdClientException("it ended within a write");
        }

        if (turn.Batch.IsFull) SendBatch();
        turn.Batch.Add(answers.Fail(turn.Batch.Next, request, error, reason));
    }

    /// <param name="isBegun">Whether it is a write that may be answered later.</param>
    /// <param name="hasTurn">False afterwards where the turn was taken meanwhile.</param>
    private void RunInTurn(in NbdRequest request, bool isBegun, ref bool hasTurn)
    {
        ReadOnlySpan<byte> payload = default;
        if (request.Command == NbdCommand.Write)
        {
            if (!Fill((int)request.Length)) throw new NbdClientException("it ended within a write");
            payload = turn.Receive.Peek((int)request.Length);
            turn.Receive.Skip((int)request.Length);
        }

        if (turn.Batch.IsFull) SendBatch();
        var batch = turn.Batch;
        var before = pace.Look();
        var started = Stopwatch.GetTimestamp();
        var id = turn.BeginWork(started);
        watch.Wake();
        if (isBegun) deferred.Enter();
        var length = isBegun ? answers.Begin(request, payload, batch.Next, deferred) : answers.Run(request, payload, batch.Next);
        if (!turn.EndWork(id))
        {
            hasTurn = false;
            if (isBegun) answers.Release();
            if (length > 0) sender.Send(batch.Next[..length]);
            return;
        }

        hasBegun |= isBegun;

        pace.NoteInTurn(Stopwatch.GetTimestamp() - started, request.Length, before);
        batch.Add(length);
    }

    /// <summary>Carries out a large write while it comes in. The turn stays here: what comes next comes behind it anyway.</summary>
    private void WriteInPieces(in NbdRequest request)
    {
        SendBatch();
        var piece = ArrayPool<byte>.Shared.Rent(RequestAnswers.PieceBytes);
        Exception? failure = null;
        try
        {
            for (long done = 0; done < request.Length;)
            {
                var part = piece.AsSpan(0, (int)Math.Min(RequestAnswers.PieceBytes, request.Length - done));
                if (!turn.Receive.ReadExactly(part)) throw new NbdClientException("it ended within a write");
                // After a failure the rest is only read past.
                failure ??= answers.WritePart(request, done, part);
                done += part.Length;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(piece);
        }

        turn.Batch.Add(answers.FinishParts(turn.Batch.Next, request, failure));
    }

    private byte[] ReceivePayload(in NbdRequest request)
    {
        if (turn.Receive.Available < request.Length) SendBatch();
        var payload = ArrayPool<byte>.Shared.Rent((int)request.Length);
        if (turn.Receive.ReadExactly(payload.AsSpan(0, (int)request.Length))) return payload;
        ArrayPool<byte>.Shared.Return(payload);
        throw new NbdClientException("it ended within a write");
    }

    /// <summary>Only by whoever has the turn.</summary>
    private void SendBatch()
    {
        if (hasBegun)
        {
            hasBegun = false;
            answers.Release();
        }

        if (turn.Batch.Length == 0) return;
        sender.Send(turn.Batch.Finished);
        turn.Batch.Clear();
    }
}
