using System.Collections.Concurrent;
using VmRepl.Blocks;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Client;

/// <summary>
/// An export of any NBD server as a block device. Safe for concurrent use: requests of many threads are under way at a time, on one connection, and answers come in any order.
/// <para>
/// An error that the server answers with ends that request alone (<see cref="NbdRequestException"/>). One that breaks the protocol or the connection, or an answer that does not come in time, ends the connection:
/// every request, waiting or later, gets the same <see cref="NbdException"/>.
/// </para>
/// Where the server takes no requests below a block's size, reads are widened to blocks, and writes read the rest of their blocks first, one at a time; that is not safe beside other writers of the same export.
/// </summary>
public sealed class NbdClient : IBlockDevice
{
    private const int SectorBytes = 512;
    private const uint StatusBytesMax = 1u << 30;
    private const uint Hole = 1, ReadsZero = 2;

    private readonly ClientStream stream;
    private readonly AgreedExport export;
    private readonly NbdClientOptions options;
    private readonly ConcurrentDictionary<ulong, PendingRequest> pending = new();
    private readonly Lock sendGate = new();
    private readonly Lock wideningGate = new();
    private readonly Thread receiving;
    private NbdException? broken;
    private long cookies;
    private volatile bool isClosing;

    private NbdClient(ClientStream stream, AgreedExport export, NbdClientOptions options)
    {
        this.stream = stream;
        this.export = export;
        this.options = options;
        receiving = new Thread(Receive) { IsBackground = true, Name = "nbd answers" };
        receiving.Start();
    }

    public long Length => export.Length;

    public int SectorSize => SectorBytes;

    public bool IsReadOnly => export.Flags.HasFlag(NbdTransmissionFlags.ReadOnly);

    /// <summary>Whether several connections see one device.</summary>
    public bool CanMultiConn => export.Flags.HasFlag(NbdTransmissionFlags.CanMultiConn);

    public NbdTransmissionFlags Flags => export.Flags;

    /// <summary>The contexts that were asked for and are there.</summary>
    public IReadOnlyCollection<string> Contexts => [.. export.Contexts.Values];

    /// <exception cref="NbdException">Nobody answers, the server refused, or broke the protocol.</exception>
    public static NbdClient Connect(NbdAddress address, string export, NbdClientOptions? options = null)
    {
        options ??= new NbdClientOptions();
        return Negotiate(address, options, (stream, negotiation) => new NbdClient(stream, negotiation.Open(export), options), keeps: true);
    }

    /// <summary>The names of a server's exports.</summary>
    public static IReadOnlyList<string> List(NbdAddress address, NbdClientOptions? options = null) => Negotiate(address, options ?? new NbdClientOptions(), (_, negotiation) => negotiation.List(), keeps: false);

    public void Read(long offset, Span<byte> buffer)
    {
        Check(offset, buffer.Length);
        while (buffer.Length > 0)
        {
            var wide = Widened(offset, Math.Min(buffer.Length, export.PayloadBytesMax - (2 * export.BlockBytesMin)));
            var contents = new byte[wide.Length];
            Send(NbdCommand.Read, wide.Offset, (int)wide.Length, contents: contents);
            var part = contents.AsSpan((int)(offset - wide.Offset));
            part = part[..Math.Min(part.Length, buffer.Length)];
            part.CopyTo(buffer);
            buffer = buffer[part.Length..];
            offset += part.Length;
        }
    }

    public void Write(long offset, ReadOnlySpan<byte> data) => Write(offset, data, isDurable: false);

    /// <param name="isDurable">On stable storage when this returns.</param>
    public void Write(long offset, ReadOnlySpan<byte> data, bool isDurable)
    {
        Check(offset, data.Length);
        var fua = isDurable && export.Flags.HasFlag(NbdTransmissionFlags.SendFua);
        while (data.Length > 0)
        {
            var count = Math.Min(data.Length, export.PayloadBytesMax - (2 * export.BlockBytesMin));
            var wide = Widened(offset, count);
            if (wide.Length == count)
            {
                Send(NbdCommand.Write, offset, count, fua ? NbdCommandFlags.Fua : NbdCommandFlags.None, data[..count]);
            }
            else
            {
                lock (wideningGate)
                {
                    var whole = new byte[wide.Length];
                    Send(NbdCommand.Read, wide.Offset, whole.Length, contents: whole);
                    data[..count].CopyTo(whole.AsSpan((int)(offset - wide.Offset)));
                    Send(NbdCommand.Write, wide.Offset, whole.Length, fua ? NbdCommandFlags.Fua : NbdCommandFlags.None, whole);
                }
            }

            data = data[count..];
            offset += count;
        }

        if (isDurable && !fua) Flush();
    }

    public void Zero(long offset, long length) => Clear(offset, length, NbdCommandFlags.NoHole);

    public void Punch(long offset, long length) => Clear(offset, length, NbdCommandFlags.None);

    /// <summary>Says that the range is of no use any more. What it reads as afterwards is the server's affair; nothing happens where it does not take the hint.</summary>
    public void Trim(long offset, long length)
    {
        if (!export.Flags.HasFlag(NbdTransmissionFlags.SendTrim)) return;
        ForEach(offset, length, (at, count) =>
        {
            // A part of a block is still of use.
            if (Widened(at, count).Length == count) Send(NbdCommand.Trim, at, count);
        });
    }

    public void Flush()
    {
        if (export.Flags.HasFlag(NbdTransmissionFlags.SendFlush)) Send(NbdCommand.Flush, 0, 0);
    }

    /// <summary>Asks the server to read ahead; nothing happens where it does not know how.</summary>
    public void Cache(long offset, long length)
    {
        if (export.Flags.HasFlag(NbdTransmissionFlags.SendCache)) ForEach(offset, length, (at, count) => Send(NbdCommand.Cache, Widened(at, count).Offset, (int)Widened(at, count).Length));
    }

    /// <summary>By <c>base:allocation</c>; all of it is data where the server does not say.</summary>
    public IEnumerable<MapExtent> Map(long offset, long length)
    {
        Check(offset, length);
        if (!export.Contexts.Values.Contains(NbdContextNames.Allocation)) return length == 0 ? [] : [new MapExtent(offset, length, BlockState.Data)];
        return MapStatus(offset, length);
    }

    /// <summary>What a context says of a range: runs in order that cover it exactly.</summary>
    /// <exception cref="ArgumentException">The context was not asked for, or is not there.</exception>
    public IEnumerable<NbdExtent> Status(string context, long offset, long length)
    {
        Check(offset, length);
        var id = export.Contexts.FirstOrDefault(c => c.Value == context) is { Value: not null } found ? found.Key : throw new ArgumentException($"there is no context {context}", nameof(context));
        return StatusOf(id, offset, length);
    }

    public void Dispose()
    {
        if (isClosing) return;
        isClosing = true;
        try
        {
            if (broken is null)
            {
                var head = new byte[NbdRequest.Size];
                new NbdRequest(NbdCommandFlags.None, NbdCommand.Disconnect, 0, 0, 0).Write(head);
                lock (sendGate) stream.Send(head);
            }
        }
        catch (NbdException)
        {
            // It is gone anyway.
        }

        stream.Abort();
        receiving.Join();
        stream.Dispose();
    }

    private static T Negotiate<T>(NbdAddress address, NbdClientOptions options, Func<ClientStream, ClientNegotiation, T> talk, bool keeps)
    {
        var stream = new ClientStream(address, options.ConnectMax);
        // Whatever the server drips, at the limit it is over.
        using var limit = new Timer(_ => stream.Abort(), null, options.ConnectMax, Timeout.InfiniteTimeSpan);
        try
        {
            var made = talk(stream, new ClientNegotiation(stream, options));
            if (!keeps) stream.Dispose();
            return made;
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Nothing outside the export is ever asked for.</summary>
    private void Check(long offset, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length - offset);
    }

    private void Clear(long offset, long length, NbdCommandFlags flags)
    {
        Check(offset, length);
        if (!export.Flags.HasFlag(NbdTransmissionFlags.SendWriteZeroes))
        {
            // A trim promises nothing about what is read afterwards.
            var zeros = new byte[(int)Math.Min(length, 1 << 20)];
            for (long done = 0; done < length; done += zeros.Length) Write(offset + done, zeros.AsSpan(0, (int)Math.Min(zeros.Length, length - done)));
            return;
        }

        ForEach(offset, length, (at, count) =>
        {
            var wide = Widened(at, count);
            if (wide.Length == count) Send(NbdCommand.WriteZeroes, at, count, flags);
            else Write(at, new byte[count]);
        });
    }

    /// <summary>In pieces that a request may have: whole blocks as far as there are any.</summary>
    private void ForEach(long offset, long length, Action<long, int> request)
    {
        const int pieceBytes = 1 << 30;
        Check(offset, length);
        for (var end = offset + length; offset < end;)
        {
            // The parts of blocks at both ends by themselves, so that what lies between goes as one.
            var block = (long)export.BlockBytesMin;
            var toBlock = Sectors.AlignUp(offset, block) - offset;
            var count = toBlock > 0 ? Math.Min(toBlock, end - offset) : Math.Max(Sectors.AlignDown(end, block) - offset, 0);
            if (count == 0) count = end - offset;
            count = Math.Min(count, pieceBytes);
            request(offset, (int)count);
            offset += count;
        }
    }

    private Extent Widened(long offset, long count)
    {
        var start = Sectors.AlignDown(offset, export.BlockBytesMin);
        return Extent.FromEnds(start, Math.Min(Length, Sectors.AlignUp(offset + count, export.BlockBytesMin)));
    }

    private IEnumerable<MapExtent> MapStatus(long offset, long length)
    {
        foreach (var run in Status(NbdContextNames.Allocation, offset, length))
        {
            // What does not read as zeros has to be read, whether there is space behind it or not.
            var state = (run.Flags & ReadsZero) == 0 ? BlockState.Data : (run.Flags & Hole) != 0 ? BlockState.Unallocated : BlockState.Zero;
            yield return new MapExtent(offset, run.Length, state);
            offset += run.Length;
        }
    }

    private IEnumerable<NbdExtent> StatusOf(uint id, long offset, long length)
    {
        for (var end = offset + length; offset < end;)
        {
            var wide = Widened(offset, Math.Min(end - offset, StatusBytesMax));
            List<NbdExtent>? extents = null;
            Send(NbdCommand.BlockStatus, wide.Offset, (int)wide.Length, status: found => extents = found.GetValueOrDefault(id));
            if (extents is null) throw Break(new NbdException(stream.Peer, "a block status: expected the contexts that were chosen, found one missing"));
            var at = wide.Offset;
            foreach (var extent in extents)
            {
                // The first may begin before what is asked for, the last may pass its end.
                var (from, to) = (Math.Max(at, offset), Math.Min(at + extent.Length, end));
                at += extent.Length;
                if (to <= from) continue;
                yield return new NbdExtent(to - from, extent.Flags);
                offset = to;
                if (offset == end) break;
            }
        }
    }

    /// <summary>Sends one request and waits for its answer.</summary>
    private void Send(NbdCommand command, long offset, int length, NbdCommandFlags flags = NbdCommandFlags.None, ReadOnlySpan<byte> payload = default, byte[]? contents = null, Action<Dictionary<uint, List<NbdExtent>>>? status = null)
    {
        ObjectDisposedException.ThrowIf(isClosing, this);
        using var request = new PendingRequest(command, offset, length) { Contents = contents };
        var cookie = (ulong)Interlocked.Increment(ref cookies);
        pending[cookie] = request;
        try
        {
            // Looked at after it is among those that wait: whoever breaks the connection finds it there, or it finds the break here.
            if (Volatile.Read(ref broken) is { } earlier) throw earlier;
            lock (sendGate)
            {
                Span<byte> head = stackalloc byte[NbdRequest.Size];
                new NbdRequest(flags, command, cookie, (ulong)offset, (uint)length).Write(head);
                stream.Send(head);
                if (payload.Length > 0) stream.Send(payload);
            }

            if (!request.Wait(options.RequestMax)) throw Break(new NbdException(stream.Peer, $"a {command} of {length} bytes at {offset} was not answered within {options.RequestMax.TotalSeconds} s"));
        }
        catch (NbdException e)
        {
            pending.TryRemove(cookie, out _);
            Break(e);
            // The receiving thread may be writing into this request's memory until it has seen the end.
            request.Wait(TimeSpan.FromSeconds(1));
            throw;
        }

        if (request.Failure is { } failure) throw failure;
        status?.Invoke(request.Status);
    }

    private void Receive()
    {
        var reader = new ReplyReader(stream, cookie => pending.GetValueOrDefault(cookie));
        try
        {
            while (true)
            {
                if (reader.ReadOne() is not { } answered) continue;
                pending.TryRemove(answered.Cookie, out _);
                Finish(answered.Request);
            }
        }
        catch (Exception e)
        {
            // Whatever it is, those who wait have to hear of it; a thread that ended by an exception would end the process.
            Break(e as NbdException ?? new NbdException(stream.Peer, $"its answer could not be read: {e.Message}", e));
        }
    }

    /// <summary>The connection is of no more use: everybody who waits is told, with the first reason.</summary>
    private NbdException Break(NbdException reason)
    {
        var first = Interlocked.CompareExchange(ref broken, reason, null) ?? reason;
        stream.Abort();
        foreach (var (cookie, request) in pending)
        {
            if (!pending.TryRemove(cookie, out _)) continue;
            request.Failure ??= first;
            Finish(request);
        }

        return first;
    }

    private static void Finish(PendingRequest request)
    {
        try
        {
            request.Finish();
        }
        catch (ObjectDisposedException)
        {
            // Whoever waited has given up.
        }
    }
}
