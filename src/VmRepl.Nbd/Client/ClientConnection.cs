using VmRepl.Nbd.Transport;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Client;

/// <summary>
/// The second part of a connection: requests of many threads on the way at once, answers in any order.
/// <para>
/// A caller takes a place, sends under one lock and waits; one thread receives, and completes requests. The first thing that goes wrong ends the connection for all: it is noted, the socket is shut down,
/// the receiving thread comes out of its wait, completes every request as lost and is gone. No request can be registered from then on, so that none is left to wait.
/// </para>
/// </summary>
internal sealed unsafe class ClientConnection : IDisposable
{
    private const int StackBytes = 256 << 10;

    /// <summary>A write up to here goes out in one system call with its head.</summary>
    private const int JoinedBytesMax = 64 << 10;

    private static readonly TimeSpan DisconnectMax = TimeSpan.FromSeconds(2);

    private readonly ClientTransport transport;
    private readonly string peer;
    private readonly TimeSpan requestMax;
    private readonly ReplyReader replies;
    private readonly Thread receiving;
    private readonly SemaphoreSlim free;
    private readonly Lock gate = new();
    private readonly Stack<PendingRequest> idle = [];
    private readonly PendingRequest?[] active;
    private readonly object sending = new();
    private readonly byte[] joined = GC.AllocateUninitializedArray<byte>(NbdRequest.Size + JoinedBytesMax, pinned: true);
    private NbdException? failure;
    private bool hasEnded;
    private bool isDisposed;

    public ClientConnection(ClientTransport transport, ReceiveBuffer receive, OpenedExport export, string peer, NbdClientOptions options)
    {
        (this.transport, this.peer, requestMax) = (transport, peer, options.RequestMax);
        active = new PendingRequest[options.RequestsMax];
        free = new SemaphoreSlim(options.RequestsMax);
        for (var place = options.RequestsMax - 1; place >= 0; place--) idle.Push(new PendingRequest(place));
        replies = new ReplyReader(receive, export, peer, Find);
        transport.SetLimits(TimeSpan.Zero, requestMax);
        receiving = new Thread(Receive, StackBytes) { IsBackground = true, Name = "nbd answers" };
        receiving.Start();
    }

    /// <exception cref="NbdRequestException">The server answered with an error.</exception>
    /// <exception cref="NbdException">The connection has ended.</exception>
    public void Read(long offset, Span<byte> target)
    {
        fixed (byte* start = target) Carry(NbdCommand.Read, NbdCommandFlags.None, offset, target.Length, start, 0, []);
    }

    /// <inheritdoc cref="Read"/>
    public void Write(long offset, ReadOnlySpan<byte> data, NbdCommandFlags flags) => Carry(NbdCommand.Write, flags, offset, data.Length, null, 0, data);

    /// <summary>A request that brings no contents in either direction.</summary>
    /// <inheritdoc cref="Read"/>
    public void Ask(NbdCommand command, NbdCommandFlags flags, long offset, long length) => Carry(command, flags, offset, length, null, 0, []);

    /// <returns>Extents from <paramref name="offset"/> on; at least one, and perhaps not all of the range.</returns>
    /// <inheritdoc cref="Read"/>
    public List<NbdExtent> Status(uint context, long offset, long length) => Carry(NbdCommand.BlockStatus, NbdCommandFlags.None, offset, length, null, context, [])!;

    /// <summary>Tells the server, ends the connection and releases whoever still waits.</summary>
    public void Dispose()
    {
        bool isOpen;
        lock (gate)
        {
            if (isDisposed) return;
            isDisposed = true;
            // From here on nothing is sent but the goodbye, and this is the reason that callers are told.
            isOpen = failure is null;
            failure ??= new NbdException(peer, "the client was closed");
        }

        if (isOpen && Monitor.TryEnter(sending, DisconnectMax))
        {
            try
            {
                SayGoodbye();
            }
            finally
            {
                Monitor.Exit(sending);
            }
        }

        transport.Abort();
        receiving.Join();
        // The rest of them leave first: their requests are completed, and no new one begins.
        lock (sending) transport.Dispose();
    }

    private void SayGoodbye()
    {
        try
        {
            new NbdRequest(NbdCommandFlags.None, NbdCommand.Disconnect, 0, 0, 0).Write(joined);
            transport.SetLimits(TimeSpan.Zero, DisconnectMax);
            transport.Send(joined.AsSpan(0, NbdRequest.Size), new Deadline(DisconnectMax));
            transport.EndTls();
        }
        catch (IOException)
        {
            // The server went first.
        }
    }

    private List<NbdExtent>? Carry(NbdCommand command, NbdCommandFlags flags, long offset, long length, byte* target, uint context, ReadOnlySpan<byte> data)
    {
        var deadline = new Deadline(requestMax);
        if (!free.Wait(deadline.LeftMs)) throw Fail(Late(command, offset, length));
        try
        {
            var request = Register(command, offset, length, target, context);
            Send(request, flags, data, deadline);
            if (!request.Wait(deadline))
            {
                Fail(Late(command, offset, length));
                request.WaitForEnd();
            }

            var (isLost, error, sentence, extents) = (request.IsLost, request.Error, request.Sentence, request.Extents);
            request.Extents = null;
            lock (gate) idle.Push(request);
            if (isLost) throw Ended();
            return error == NbdError.None ? extents : throw new NbdRequestException(peer, command.ToString(), error, offset, length, sentence);
        }
        finally
        {
            free.Release();
        }
    }

    private PendingRequest Register(NbdCommand command, long offset, long length, byte* target, uint context)
    {
        lock (gate)
        {
            if (hasEnded || failure is not null) throw Ended();
            var request = idle.Pop();
            request.Begin(command, offset, length, target, context);
            active[request.Place] = request;
            return request;
        }
    }

    /// <summary>Whatever goes wrong ends the connection, so that the request, which is registered, is completed.</summary>
    private void Send(PendingRequest request, NbdCommandFlags flags, ReadOnlySpan<byte> data, Deadline deadline)
    {
        if (!Monitor.TryEnter(sending, deadline.LeftMs))
        {
            Fail(Late(request.Command, request.Offset, request.Length));
            return;
        }

        try
        {
            if (Volatile.Read(ref failure) is not null) return;
            new NbdRequest(flags, request.Command, request.Cookie, (ulong)request.Offset, (uint)request.Length).Write(joined);
            var first = Math.Min(data.Length, JoinedBytesMax);
            data[..first].CopyTo(joined.AsSpan(NbdRequest.Size));
            transport.Send(joined.AsSpan(0, NbdRequest.Size + first), deadline);
            if (first < data.Length) transport.Send(data[first..], deadline);
        }
        catch (Exception e)
        {
            // Of any kind: the request is registered, and its memory is in use until it is completed.
            Fail(new NbdException(peer, e.Message, e));
        }
        finally
        {
            Monitor.Exit(sending);
        }
    }

    private void Receive()
    {
        try
        {
            while (true)
            {
                if (replies.Read() is { } complete) Complete(complete);
            }
        }
        catch (Exception e)
        {
            Fail(e as NbdException ?? new NbdException(peer, e.Message, e));
        }

        PendingRequest[] lost;
        lock (gate)
        {
            hasEnded = true;
            lost = [.. active.OfType<PendingRequest>()];
            Array.Clear(active);
        }

        foreach (var request in lost) request.Complete(isLost: true);
    }

    private void Complete(PendingRequest request)
    {
        lock (gate) active[request.Place] = null;
        request.Complete(isLost: false);
    }

    private PendingRequest? Find(ulong cookie)
    {
        var place = (uint)cookie;
        lock (gate) return place < (uint)active.Length && active[place] is { } request && request.Cookie == cookie ? request : null;
    }

    /// <summary>Ends the connection for all. The first reason stays.</summary>
    /// <returns>What the caller throws, if it has to.</returns>
    private NbdException Fail(NbdException reason)
    {
        lock (gate) failure ??= reason;
        transport.Abort();
        return Ended();
    }

    /// <summary>An exception of its own for each caller: they are thrown by several threads.</summary>
    private NbdException Ended() => failure is { } cause ? new NbdException(peer, cause.Message[(peer.Length + 2)..], cause) : new NbdException(peer, "the connection has ended");

    private NbdException Late(NbdCommand command, long offset, long length) => new(peer, $"no answer to {command} of {length} bytes at {offset} within {requestMax.TotalSeconds} s");
}
