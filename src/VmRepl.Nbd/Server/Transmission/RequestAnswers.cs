using System.Buffers;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using VmRepl.Blocks;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Server;

/// <summary>
/// Carries out checked requests and answers them. What a device throws goes to the client as the answer to that request; the connection goes on.
/// <para>
/// Memory is bounded whatever a client asks for: a request holds at most one piece of <see cref="PieceBytes"/>; a larger read is sent in such pieces. Only one whose answer must be in one piece takes all of it, one at a time for a
/// connection.
/// </para>
/// </summary>
internal sealed class RequestAnswers(ChosenExport chosen, AnswerSender sender, Pace pace, string peer, ILogger log)
{
    public const int PieceBytes = 1 << 20;

    private const int FailuresLogged = 10;
    private const int FailureLoggedEvery = 1000;

    private readonly RequestRunner runner = new(chosen);
    private readonly IDeferredWrite? deferring = chosen.Export.Device as IDeferredWrite;
    private readonly Lock largeGate = new();
    private int failures;

    /// <summary>Carries out a read or a write whose answer fits <paramref name="target"/>.</summary>
    /// <returns>The length of the answer.</returns>
    public int Run(in NbdRequest request, ReadOnlySpan<byte> payload, Span<byte> target)
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
            return Fail(target, request, RequestFailure.Error(e), e.Message);
        }
    }

    /// <summary>Whether the device may end a write after it has taken it: <see cref="Begin"/> then holds nobody up.</summary>
    public bool DefersWrites => deferring is not null;

    /// <summary>After the last of some writes that were begun.</summary>
    public void Release() => deferring!.Release();

    /// <summary>Begins a write without FUA. <see cref="Release"/> is owed.</summary>
    /// <param name="deferred">A place is taken there: it answers what does not end at once.</param>
    /// <returns>The length of the answer; 0 where it is not here.</returns>
    public int Begin(in NbdRequest request, ReadOnlySpan<byte> payload, Span<byte> target, DeferredAnswers deferred)
    {
        var isAdded = false;
        try
        {
            var write = deferring!.WriteAsync((long)request.Offset, payload);
            if (!write.IsCompleted)
            {
                isAdded = true;
                deferred.Add(request, write);
                return 0;
            }

            write.GetAwaiter().GetResult();
            ReplyWriter.WriteSimple(target, request.Cookie, NbdError.None);
            return ReplyWriter.SimpleSize;
        }
        catch (Exception e) when (RequestFailure.IsDevices(e))
        {
            return Fail(target, request, RequestFailure.Error(e), e.Message);
        }
        finally
        {
            if (!isAdded) deferred.Leave();
        }
    }

    private int ReadHeadSize => chosen.HasStructuredReplies ? ReplyWriter.DataHeadSize : ReplyWriter.SimpleSize;

    private void WriteReadHead(Span<byte> target, in NbdRequest request, long done, int length, bool isLast)
    {
        if (chosen.HasStructuredReplies) ReplyWriter.WriteDataHead(target, request.Cookie, isLast, (long)request.Offset + done, length);
        else ReplyWriter.WriteSimple(target, request.Cookie, NbdError.None);
    }

    /// <summary>Carries out a request by itself, and sends the answer.</summary>
    /// <param name="request">What is asked.</param>
    /// <param name="payload">Of a write: rented, and given back here.</param>
    public void RunAlone(in NbdRequest request, byte[]? payload)
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

    /// <summary>Begins a write by itself; its answer is sent when it has ended, and no thread waits for that.</summary>
    /// <param name="request">No longer than a piece, without FUA.</param>
    /// <param name="payload">Rented, and given back here.</param>
    /// <param name="deferred">A place is taken there.</param>
    public void BeginAlone(in NbdRequest request, byte[] payload, DeferredAnswers deferred)
    {
        Span<byte> answer = stackalloc byte[ReplyWriter.ErrorSizeMax];
        try
        {
            var started = Stopwatch.GetTimestamp();
            var length = Begin(request, payload.AsSpan(0, (int)request.Length), answer, deferred);
            // What it waits for from here on is not the device, and holds nobody up.
            pace.Note(Stopwatch.GetTimestamp() - started, request.Length);
            Release();
            if (length > 0) sender.Send(answer[..length]);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(payload);
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
            sender.Send(answer.AsSpan(0, length));
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
                    sender.Send(piece.AsSpan(0, Fail(piece, request, RequestFailure.Error(e), e.Message)));
                    return;
                }

                sender.Send(piece.AsSpan(0, length));
                done += count;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(piece);
        }
    }

    /// <summary>Carries out one part of a large write.</summary>
    /// <returns>Why it failed; null where it did not.</returns>
    public Exception? WritePart(in NbdRequest request, long done, ReadOnlySpan<byte> part)
    {
        try
        {
            runner.Write(request, done, part);
            if (done + part.Length == request.Length) runner.FinishWrite(request);
            return null;
        }
        catch (Exception e) when (RequestFailure.IsDevices(e))
        {
            return e;
        }
    }

    /// <summary>The answer to a write that was carried out in parts.</summary>
    /// <returns>Its length.</returns>
    public int FinishParts(Span<byte> target, in NbdRequest request, Exception? failure)
    {
        if (failure is not null) return Fail(target, request, RequestFailure.Error(failure), failure.Message);
        ReplyWriter.WriteSimple(target, request.Cookie, NbdError.None);
        return ReplyWriter.SimpleSize;
    }

    private void RunWithoutContents(in NbdRequest request)
    {
        Span<byte> simple = stackalloc byte[ReplyWriter.ErrorSizeMax];
        scoped ReadOnlySpan<byte> answer;
        try
        {
            if (request.Command == NbdCommand.BlockStatus)
            {
                answer = runner.Status(request);
            }
            else if (runner.RunWithoutContents(request) is not NbdError.None and var error)
            {
                // What the client asked to be told, and no failure to log.
                answer = simple[..WriteFailure(simple, request, error, "it would be no faster than writing the zeros")];
            }
            else
            {
                ReplyWriter.WriteSimple(simple, request.Cookie, NbdError.None);
                answer = simple[..ReplyWriter.SimpleSize];
            }
        }
        catch (Exception e) when (RequestFailure.IsDevices(e))
        {
            answer = simple[..Fail(simple, request, RequestFailure.Error(e), e.Message)];
        }

        sender.Send(answer);
    }

    /// <summary>Logs a request that failed and lays out the answer that says so.</summary>
    /// <returns>Its length.</returns>
    public int Fail(Span<byte> target, in NbdRequest request, NbdError error, string reason)
    {
        var count = Interlocked.Increment(ref failures);
        if (count <= FailuresLogged || count % FailureLoggedEvery == 0)
            ServerLog.RequestFailed(log, peer, chosen.Name, request.Command.ToString(), request.Length, request.Offset, reason);
        return WriteFailure(target, request, error, reason);
    }

    private int WriteFailure(Span<byte> target, in NbdRequest request, NbdError error, string reason)
    {
        if (chosen.HasStructuredReplies) return ReplyWriter.WriteError(target, request.Cookie, error, reason);
        ReplyWriter.WriteSimple(target, request.Cookie, error);
        return ReplyWriter.SimpleSize;
    }
}
