using VmRepl.Blocks;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Client;

/// <summary>
/// An export of an NBD server as a block device, over one connection. Safe for any number of threads, whose requests are on the way at once. What is spoken: <c>docs/nbd.md</c>.
/// <para>A request that the server refuses throws <see cref="NbdRequestException"/>; <see cref="NbdException"/> means that the connection has ended, for every later call too.</para>
/// </summary>
public sealed class NbdClient : IBlockDevice
{
    private const uint HoleFlag = 1, ZeroFlag = 2;
    private const int SmallSector = 512, LargeSector = 4096;

    private readonly OpenedExport export;
    private readonly ClientConnection connection;
    private readonly PieceRequests pieces;
    private readonly WidenedRequests widened;
    private int writes;

    private NbdClient(NbdAddress address, ClientTransport transport, ClientNegotiation negotiation, OpenedExport export, NbdClientOptions options)
    {
        (Address, this.export, IsTls) = (address, export, transport.IsTls);
        connection = new ClientConnection(transport, negotiation.Receive, export, address.ToString(), options);
        pieces = new PieceRequests(connection, export);
        widened = new WidenedRequests(pieces, export);
    }

    public NbdAddress Address { get; }

    public string ExportName => export.Name;

    public bool IsTls { get; }

    public long Length => export.Length;

    /// <summary>4096 where the server takes nothing smaller than more than 512 bytes, and the size allows it.</summary>
    public int SectorSize => export.Sizes.Minimum > SmallSector && export.Length % LargeSector == 0 ? LargeSector : SmallSector;

    public bool IsReadOnly => export.Has(NbdTransmissionFlags.ReadOnly);

    /// <summary>What the server says that the export can do.</summary>
    public NbdTransmissionFlags Flags => export.Flags;

    /// <summary>Whether several connections to this export see one device.</summary>
    public bool CanMultiConn => export.Has(NbdTransmissionFlags.CanMultiConn);

    public bool HasStructuredReplies => export.HasStructuredReplies;

    /// <summary>Least request of the server, bytes. Requests of other sizes are widened here.</summary>
    public int MinimumBlockBytes => export.Sizes.Minimum;

    /// <summary>The request from which on the server has no extra work, bytes.</summary>
    public int PreferredBlockBytes => export.Sizes.Preferred;

    /// <summary>Most contents of one request, bytes. Longer ones are split here.</summary>
    public int PayloadBytesMax => export.Sizes.PayloadMax;

    /// <summary>The contexts that <see cref="Status"/> can be asked for.</summary>
    public IReadOnlyCollection<string> Contexts => [.. export.Contexts.Keys];

    /// <summary>Connects and opens an export.</summary>
    /// <param name="export">Its name; empty: the server's default.</param>
    /// <exception cref="NbdException">Nobody listens, or the server refused, broke the protocol or took too long.</exception>
    /// <exception cref="ArgumentException">An option lies outside its range, or a name is too long.</exception>
    public static NbdClient Connect(NbdAddress address, string export, NbdClientOptions? options = null)
    {
        options ??= new NbdClientOptions();
        return Negotiate(address, options, (transport, negotiation) => new NbdClient(address, transport, negotiation, negotiation.Open(export), options));
    }

    /// <summary>The exports that a server tells of.</summary>
    /// <inheritdoc cref="Connect"/>
    public static IReadOnlyList<NbdListedExport> List(NbdAddress address, NbdClientOptions? options = null) => Negotiate(address, options ?? new NbdClientOptions(), (transport, negotiation) =>
    {
        var listed = negotiation.List();
        transport.EndTls();
        transport.Dispose();
        return listed;
    });

    public void Read(long offset, Span<byte> buffer)
    {
        CheckRange(offset, buffer.Length);
        widened.Read(offset, buffer);
    }

    public void Write(long offset, ReadOnlySpan<byte> data) => Write(offset, data, isForced: false);

    /// <summary>As <see cref="Write(long, ReadOnlySpan{byte})"/> with a flush of this range (FUA); where the server has none, a flush of everything follows.</summary>
    /// <exception cref="NotSupportedException">The export is read-only, or the server has neither.</exception>
    public void WriteThrough(long offset, ReadOnlySpan<byte> data)
    {
        var isOne = export.Has(NbdTransmissionFlags.SendFua);
        Write(offset, data, isOne);
        if (!isOne) Flush();
    }

    /// <summary>Zeros that stay allocated. Where the server cannot write zeros by itself they travel there.</summary>
    /// <inheritdoc cref="Write(long, ReadOnlySpan{byte})"/>
    public void Zero(long offset, long length) => Clear(offset, length, NbdCommandFlags.NoHole);

    /// <summary>Zeros that the server may keep as a hole. Where it cannot write zeros by itself they travel there: a trim promises no zeros.</summary>
    /// <inheritdoc cref="Write(long, ReadOnlySpan{byte})"/>
    public void Punch(long offset, long length) => Clear(offset, length, NbdCommandFlags.None);

    /// <summary>As <see cref="Zero"/> or <see cref="Punch"/>, but only where that costs the server less than a write.</summary>
    /// <returns>False where it does not, the server cannot tell, or the range is not aligned to <see cref="MinimumBlockBytes"/>. A part of it may be zeros then.</returns>
    public bool TryZeroFast(long offset, long length, bool keepsSpace)
    {
        CheckWritable(offset, length);
        var unit = export.Sizes.Minimum;
        if (!export.Has(NbdTransmissionFlags.SendWriteZeroes | NbdTransmissionFlags.SendFastZero) || !Sectors.IsAligned(offset | length, unit)) return false;
        try
        {
            widened.Ask(NbdCommand.WriteZeroes, NbdCommandFlags.FastZero | (keepsSpace ? NbdCommandFlags.NoHole : NbdCommandFlags.None), offset, length);
            return true;
        }
        catch (NbdRequestException e) when (e.Error == NbdError.NotSupported)
        {
            return false;
        }
    }

    /// <summary>Tells that the contents are of no more use; what is read there afterwards is anything. Does nothing where the server does not take it, nor at the ends of a range that are not aligned.</summary>
    /// <inheritdoc cref="Write(long, ReadOnlySpan{byte})"/>
    public void Trim(long offset, long length)
    {
        CheckWritable(offset, length);
        if (export.Has(NbdTransmissionFlags.SendTrim)) widened.AskInside(NbdCommand.Trim, offset, length);
    }

    /// <summary>Tells that the range will be read soon. Does nothing where the server does not take it.</summary>
    public void Cache(long offset, long length)
    {
        CheckRange(offset, length);
        if (export.Has(NbdTransmissionFlags.SendCache)) widened.AskInside(NbdCommand.Cache, offset, length);
    }

    /// <exception cref="NotSupportedException">Something was written, and the server offers no flush: nothing is known of its stability.</exception>
    public void Flush()
    {
        if (export.Has(NbdTransmissionFlags.SendFlush)) pieces.Flush();
        else if (Volatile.Read(ref writes) != 0) throw new NotSupportedException($"{Address}: \"{export.Name}\" has no flush");
    }

    /// <summary>By <c>base:allocation</c>; all data where the server has none. Asks the server as it is enumerated.</summary>
    public IEnumerable<MapExtent> Map(long offset, long length)
    {
        CheckRange(offset, length);
        if (length == 0) return [];
        return export.Contexts.ContainsKey(NbdContextNames.Allocation) ? Allocation(offset, length) : [new MapExtent(offset, length, BlockState.Data)];
    }

    /// <summary>What a context says: runs from <paramref name="offset"/> on, in order, that cover the range exactly. Asks the server as it is enumerated.</summary>
    /// <param name="context">One of <see cref="Contexts"/>.</param>
    /// <exception cref="NotSupportedException">The server does not give this context.</exception>
    /// <exception cref="NbdRequestException">While it is enumerated: the server answered with an error.</exception>
    public IEnumerable<NbdExtent> Status(string context, long offset, long length)
    {
        CheckRange(offset, length);
        return export.Contexts.TryGetValue(context, out var number) ? pieces.Status(number, offset, length) : throw new NotSupportedException($"{Address}: \"{export.Name}\" has no context {context}");
    }

    /// <summary>Tells the server and ends the connection. Calls that are still on the way fail.</summary>
    public void Dispose() => connection.Dispose();

    private static T Negotiate<T>(NbdAddress address, NbdClientOptions options, Func<ClientTransport, ClientNegotiation, T> speak)
    {
        options.Check();
        var peer = address.ToString();
        var transport = new ClientTransport(Dialler.Dial(address, options.ConnectMax));
        var deadline = new Deadline(options.NegotiationMax);
        try
        {
            transport.SetLimits(options.NegotiationMax, options.NegotiationMax);
            // A server that sends its words in drops keeps each wait short, and their sum without an end.
            using var cutOff = new Timer(_ => transport.Abort(), null, options.NegotiationMax, Timeout.InfiniteTimeSpan);
            return speak(transport, new ClientNegotiation(transport, peer, options));
        }
        catch (Exception e)
        {
            transport.Dispose();
            if (e is IOException && deadline.IsOver) throw new NbdException(peer, $"nothing was agreed within {options.NegotiationMax.TotalSeconds} s", e);
            if (e is IOException and not NbdException) throw new NbdException(peer, e.Message, e);
            throw;
        }
    }

    private IEnumerable<MapExtent> Allocation(long offset, long length)
    {
        foreach (var run in Status(NbdContextNames.Allocation, offset, length))
        {
            // A hole that need not read as zeros says nothing about its contents: it has to be read.
            var state = (run.Flags & ZeroFlag) == 0 ? BlockState.Data : (run.Flags & HoleFlag) != 0 ? BlockState.Unallocated : BlockState.Zero;
            yield return new MapExtent(offset, run.Length, state);
            offset += run.Length;
        }
    }

    private void Write(long offset, ReadOnlySpan<byte> data, bool isForced)
    {
        CheckWritable(offset, data.Length);
        widened.Write(offset, data, isForced ? NbdCommandFlags.Fua : NbdCommandFlags.None);
    }

    private void Clear(long offset, long length, NbdCommandFlags flags)
    {
        CheckWritable(offset, length);
        widened.Clear(offset, length, flags);
    }

    private void CheckWritable(long offset, long length)
    {
        if (IsReadOnly) throw new NotSupportedException($"{Address}: \"{export.Name}\" is read-only");
        CheckRange(offset, length);
        Volatile.Write(ref writes, 1);
    }

    private void CheckRange(long offset, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, export.Length - offset);
    }
}
