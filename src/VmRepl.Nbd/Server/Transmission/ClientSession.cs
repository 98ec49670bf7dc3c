using System.Buffers;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Server;

/// <summary>
/// The second part of a connection: requests and answers.
/// <para>
/// One thread at a time has the <see cref="Turn"/>: it receives, checks, and, while the device is quick (<see cref="Pace"/>), carries out requests itself and sends many answers in one call. Anything that
/// may take long it carries out only after it has given the turn to another thread, of which there are as many as needed, up to a bound; so answers come out of order. A thread that stands still with the turn
/// loses it (<see cref="StallWatch"/>).
/// </para>
/// <para>
/// Memory is bounded whatever a client asks for: a thread holds at most one piece of <see cref="PieceBytes"/>; a larger read is sent in such pieces, a larger write carried out in them. Only a large read whose answer must be in one
/// piece takes all of it, one at a time for a connection.
/// </para>
/// </summary>
internal sealed class ClientSession
{
    private const int PieceBytes = 1 << 20;
    private const int DiscardBytesMax = 64 << 20;
    private const int StackBytes = 512 << 10;
    private const int FailuresLogged = 10;
    private const int FailureLoggedEvery = 1000;

    private readonly INbdTransport transport;
    private readonly ChosenExport chosen;
    private readonly RequestRunner runner;
    private readonly RequestCheck check;
    private readonly StallWatch watch;
    private readonly string peer;
    private readonly int threadsMax;
    private readonly ILogger log;
    private readonly Turn turn;
    private readonly Pace pace = new();
    private readonly SemaphoreSlim turnFree = new(1, 1);
    private readonly Lock sendGate = new();
    private readonly Lock largeGate = new();
    private readonly CountdownEvent threads = new(1);
    private int idle;
    private int failures;
    private long requests;
    private volatile bool isEnded;
    private string? endReason;

    public ClientSession(INbdTransport transport, ReceiveBuffer receive, ChosenExport chosen, string peer, NbdServerOptions options, StallWatch watch, ILogger log)
    {
        this.transport = transport;
        this.chosen = chosen;
        this.peer = peer;
        this.watch = watch;
        this.log = log;
        threadsMax = options.RequestsMax;
        runner = new RequestRunner(chosen);
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
                Send(left.Finished);
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

            if (!pace.IsQuick || !IsForTurn(request))
            {
                if (request is { Command: NbdCommand.Write, Length: > PieceBytes })
                {
                    WriteInPieces(request);
                    continue;
                }

                var payload = request.Command == NbdCommand.Write ? ReceivePayload(request) : null;
                SendBatch();
                hasTurn = false;
                GiveTurn();
                RunAlone(request, payload);
                return;
            }

            RunInTurn(request, ref hasTurn);
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
        LogFailure(request, reason);
        if (request.Command == NbdCommand.Write)
        {
            if (request.Length > DiscardBytesMax) throw new NbdClientException($"a write of {request.Length} bytes");
            SendBatch();
            if (!turn.Receive.Discard(request.Length)) throw new NbdClientException("it ended within a write");
        }

        if (turn.Batch.IsFull) SendBatch();
        turn.Batch.Add(WriteFailure(turn.Batch.Next, request, error, reason));
    }

    /// <param name="hasTurn">False afterwards where the turn was taken meanwhile.</param>
    private void RunInTurn(in NbdRequest request, ref bool hasTurn)
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
        var started = Stopwatch.GetTimestamp();
        var id = turn.BeginWork(started);
        watch.Wake();
        var length = Run(request, payload, batch.Next);
        if (!turn.EndWork(id))
        {
            hasTurn = false;
            Send(batch.Next[..length]);
            return;
        }

        pace.Note(Stopwatch.GetTimestamp() - started, request.Length);
        batch.Add(length);
    }

    /// <summary>Carries out a read or a write whose answer fits <paramref name="target"/>.</summary>
    /// <returns>The length of the answer.</returns>
    private int Run(in NbdRequest request, ReadOnlySpan<byte> payload, Span<byte> target)
    {
        try
        {
            if (request.Command == NbdCommand.Write)
            {
                runner.Write(request, 0, payload);
                runner.FinishWrite(request);
                ReplyWriter.WriteSimple(target, request.Cookie, NbdError.None);
                return ReplyWriter.SimpleSize;
            }

            var head = ReadHeadSize;
            runner.Read(request, 0, target.Slice(head, (int)request.Length));
            WriteReadHead(target, request, 0, (int)request.Length, isLast: true);
            return head + (int)request.Length;
        }
        catch (Exception e) when (RequestFailure.IsDevices(e))
        {
            LogFailure(request, e.Message);
            return WriteFailure(target, request, RequestFailure.Error(e), e.Message);
        }
    }

    private int ReadHeadSize => chosen.HasStructuredReplies ? ReplyWriter.DataHeadSize : ReplyWriter.SimpleSize;

    private void WriteReadHead(Span<byte> target, in NbdRequest request, long done, int length, bool isLast)
    {
        if (chosen.HasStructuredReplies) ReplyWriter.WriteDataHead(target, request.Cookie, isLast, (long)request.Offset + done, length);
        else ReplyWriter.WriteSimple(target, request.Cookie, NbdError.None);
    }

    /// <summary>Carries out a request without the turn, and answers it.</summary>
    private void RunAlone(in NbdRequest request, byte[]? payload)
    {
        try
        {
            var started = Stopwatch.GetTimestamp();
            switch (request.Command)
            {
                case NbdCommand.Read when request.Length > PieceBytes && chosen.HasStructuredReplies && !request.Flags.HasFlag(NbdCommandFlags.DontFragment):
                    ReadInPieces(request);
                    break;
                case NbdCommand.Read when request.Length > PieceBytes:
                    lock (largeGate) RunWhole(request, payload, started);
                    break;
                case NbdCommand.Read or NbdCommand.Write:
                    RunWhole(request, payload, started);
                    break;
                default:
                    RunWithoutContents(request);
                    break;
            }
        }
        finally
        {
            if (payload is not null) ArrayPool<byte>.Shared.Return(payload);
        }
    }

    private void RunWhole(in NbdRequest request, byte[]? payload, long started)
    {
        var answer = ArrayPool<byte>.Shared.Rent(ReplyWriter.ErrorSizeMax + (payload is null ? (int)request.Length : 0));
        try
        {
            var length = Run(request, payload.AsSpan(0, payload is null ? 0 : (int)request.Length), answer);
            // A flush says nothing of how long the next read takes.
            if (!request.Flags.HasFlag(NbdCommandFlags.Fua)) pace.Note(Stopwatch.GetTimestamp() - started, request.Length);
            Send(answer.AsSpan(0, length));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(answer);
        }
    }

    private void ReadInPieces(in NbdRequest request)
    {
        var piece = ArrayPool<byte>.Shared.Rent(ReplyWriter.DataHeadSize + PieceBytes);
        try
        {
            for (long done = 0; done < request.Length;)
            {
                var count = (int)Math.Min(PieceBytes, request.Length - done);
                int length;
                try
                {
                    runner.Read(request, done, piece.AsSpan(ReplyWriter.DataHeadSize, count));
                    WriteReadHead(piece, request, done, count, isLast: done + count == request.Length);
                    length = ReplyWriter.DataHeadSize + count;
                }
                catch (Exception e) when (RequestFailure.IsDevices(e))
                {
                    LogFailure(request, e.Message);
                    Send(piece.AsSpan(0, WriteFailure(piece, request, RequestFailure.Error(e), e.Message)));
                    return;
                }

                Send(piece.AsSpan(0, length));
                done += count;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(piece);
        }
    }

    /// <summary>Carries out a large write while it comes in. The turn stays here: what comes next comes behind it anyway.</summary>
    private void WriteInPieces(in NbdRequest request)
    {
        SendBatch();
        var piece = ArrayPool<byte>.Shared.Rent(PieceBytes);
        Exception? failure = null;
        try
        {
            for (long done = 0; done < request.Length;)
            {
                var part = piece.AsSpan(0, (int)Math.Min(PieceBytes, request.Length - done));
                if (!turn.Receive.ReadExactly(part)) throw new NbdClientException("it ended within a write");
                // After a failure the rest is only read past.
                failure ??= Failure(request, done, part);
                done += part.Length;
            }

            failure ??= Failure(request, request.Length, default);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(piece);
        }

        if (failure is null)
        {
            ReplyWriter.WriteSimple(turn.Batch.Next, request.Cookie, NbdError.None);
            turn.Batch.Add(ReplyWriter.SimpleSize);
            return;
        }

        LogFailure(request, failure.Message);
        turn.Batch.Add(WriteFailure(turn.Batch.Next, request, RequestFailure.Error(failure), failure.Message));
    }

    private Exception? Failure(in NbdRequest request, long done, ReadOnlySpan<byte> part)
    {
        try
        {
            if (part.Length > 0) runner.Write(request, done, part);
            else runner.FinishWrite(request);
            return null;
        }
        catch (Exception e) when (RequestFailure.IsDevices(e))
        {
            return e;
        }
    }

    private void RunWithoutContents(in NbdRequest request)
    {
        Span<byte> answer = stackalloc byte[ReplyWriter.ErrorSizeMax];
        try
        {
            if (request.Command == NbdCommand.BlockStatus)
            {
                Send(runner.Status(request));
                return;
            }

            var error = runner.RunWithoutContents(request);
            var length = ReplyWriter.SimpleSize;
            if (error == NbdError.None) ReplyWriter.WriteSimple(answer, request.Cookie, error);
            else length = WriteFailure(answer, request, error, "it would be no faster than writing the zeros");
            Send(answer[..length]);
        }
        catch (Exception e) when (RequestFailure.IsDevices(e) && !isEnded)
        {
            LogFailure(request, e.Message);
            Send(answer[..WriteFailure(answer, request, RequestFailure.Error(e), e.Message)]);
        }
    }

    private byte[] ReceivePayload(in NbdRequest request)
    {
        if (turn.Receive.Available < request.Length) SendBatch();
        var payload = ArrayPool<byte>.Shared.Rent((int)request.Length);
        if (turn.Receive.ReadExactly(payload.AsSpan(0, (int)request.Length))) return payload;
        ArrayPool<byte>.Shared.Return(payload);
        throw new NbdClientException("it ended within a write");
    }

    private int WriteFailure(Span<byte> target, in NbdRequest request, NbdError error, string reason)
    {
        if (chosen.HasStructuredReplies) return ReplyWriter.WriteError(target, request.Cookie, error, reason);
        ReplyWriter.WriteSimple(target, request.Cookie, error);
        return ReplyWriter.SimpleSize;
    }

    private void LogFailure(in NbdRequest request, string reason)
    {
        var count = Interlocked.Increment(ref failures);
        if (count <= FailuresLogged || count % FailureLoggedEvery == 0)
            ServerLog.RequestFailed(log, peer, chosen.Name, request.Command.ToString(), request.Length, request.Offset, reason);
    }

    /// <summary>Only by whoever has the turn.</summary>
    private void SendBatch()
    {
        if (turn.Batch.Length == 0) return;
        Send(turn.Batch.Finished);
        turn.Batch.Clear();
    }

    private void Send(ReadOnlySpan<byte> data)
    {
        lock (sendGate) transport.Send(data);
    }
}
