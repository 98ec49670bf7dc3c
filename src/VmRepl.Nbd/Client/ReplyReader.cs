using System.Buffers.Binary;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Client;

/// <summary>Receives answers and gives each to the request that it belongs to. What the server says is compared with what was asked before a byte of it is stored.</summary>
internal sealed class ReplyReader(ClientStream stream, Func<ulong, PendingRequest?> find)
{
    private const ushort Done = 1;
    private const int ExtentSize = 8;

    // A status of the greatest length in extents of 512 bytes would be longer; a server that says more than this is one that says it for ever.
    private const int StatusBytesMax = 4 << 20;
    private const int ErrorBytesMax = 64 << 10;

    private readonly byte[] head = new byte[16];

    /// <returns>The request, if this was the last of its answer.</returns>
    /// <exception cref="NbdException">The answer is none; the connection cannot be followed.</exception>
    public (ulong Cookie, PendingRequest Request)? ReadOne()
    {
        stream.Receive(head.AsSpan(0, 4));
        return BinaryPrimitives.ReadUInt32BigEndian(head) switch
        {
            NbdMagic.SimpleReply => ReadSimple(),
            NbdMagic.StructuredReply => ReadChunk(),
            var other => throw Broken("an answer", "the magic of one", $"0x{other:x8}"),
        };
    }

    private (ulong, PendingRequest) ReadSimple()
    {
        stream.Receive(head.AsSpan(0, 12));
        var error = (NbdError)BinaryPrimitives.ReadUInt32BigEndian(head);
        var (cookie, request) = Request(BinaryPrimitives.ReadUInt64BigEndian(head.AsSpan(4)));
        if (error != NbdError.None) request.Failure = Failed(request, error, "");
        else if (request.Command == NbdCommand.BlockStatus) throw Broken("an answer to a block status", "a structured one", "a simple one");
        else if (request.Contents is { } contents)
        {
            stream.Receive(contents.AsSpan(0, request.Length));
            request.Received = request.Length;
        }

        return (cookie, request);
    }

    private (ulong, PendingRequest)? ReadChunk()
    {
        stream.Receive(head);
        var (flags, kind, length) = (BinaryPrimitives.ReadUInt16BigEndian(head), (NbdChunk)BinaryPrimitives.ReadUInt16BigEndian(head.AsSpan(2)), BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(12)));
        var (cookie, request) = Request(BinaryPrimitives.ReadUInt64BigEndian(head.AsSpan(4)));
        switch (kind)
        {
            case NbdChunk.None when length == 0 && (flags & Done) != 0:
                break;
            case NbdChunk.OffsetData when length > 8 && request.Contents is not null && length - 8 <= request.Length - request.Received:
                var data = Place(request, ReadNumber64(), length - 8);
                stream.Receive(data);
                break;
            case NbdChunk.OffsetHole when length == 12 && request.Contents is not null:
                var at = ReadNumber64();
                Place(request, at, ReadNumber32()).Clear();
                break;
            case NbdChunk.BlockStatus when request.Command == NbdCommand.BlockStatus && length is >= 4 + ExtentSize and <= StatusBytesMax && (length - 4) % ExtentSize == 0:
                ReadStatus(request, (int)length);
                break;
            case var failure when ((ushort)failure & 0x8000) != 0 && length is >= 6 and <= ErrorBytesMax:
                ReadFailure(request, (int)length);
                break;
            default:
                throw Broken("a chunk", $"one that answers a {request.Command} of {request.Length} bytes", $"{kind} of {length} bytes");
        }

        if ((flags & Done) == 0) return null;
        if (request.Failure is null && request.Contents is not null && request.Received != request.Length)
            throw Broken("the answer to a read", $"{request.Length} bytes", $"{request.Received}");
        return (cookie, request);
    }

    /// <summary>The part of a read's contents that a chunk brings. Counting bytes is enough: chunks that overlap would bring more than were asked for.</summary>
    private Span<byte> Place(PendingRequest request, ulong offset, uint length)
    {
        // Without a sign: an offset near 2^64 is far behind, and not a little before.
        var inside = offset - (ulong)request.Offset;
        if (offset < (ulong)request.Offset || inside > (ulong)request.Length || length > (ulong)request.Length - inside || length > request.Length - request.Received)
            throw Broken("a chunk of a read", $"a part of {request.Length} bytes at {request.Offset} that did not come yet", $"{length} bytes at {offset}");
        request.Received += (int)length;
        return request.Contents.AsSpan((int)inside, (int)length);
    }

    private void ReadStatus(PendingRequest request, int length)
    {
        var bytes = new byte[length];
        stream.Receive(bytes);
        var extents = new List<NbdExtent>((length - 4) / ExtentSize);
        for (var at = 4; at < length; at += ExtentSize)
        {
            var extent = new NbdExtent(BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(at)), BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(at + 4)));
            if (extent.Length == 0) throw Broken("a block status", "extents of some bytes", "one of none");
            extents.Add(extent);
        }

        if (!request.Status.TryAdd(BinaryPrimitives.ReadUInt32BigEndian(bytes), extents)) throw Broken("a block status", "one answer for a context", "two");
    }

    private void ReadFailure(PendingRequest request, int length)
    {
        var bytes = new byte[length];
        stream.Receive(bytes);
        var sentence = Math.Min(BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(4)), length - 6);
        var error = (NbdError)BinaryPrimitives.ReadUInt32BigEndian(bytes);
        request.Failure ??= Failed(request, error == NbdError.None ? NbdError.Io : error, ClientNegotiation.Printable(bytes.AsSpan(6, sentence)));
    }

    private ulong ReadNumber64()
    {
        Span<byte> bytes = stackalloc byte[8];
        stream.Receive(bytes);
        return BinaryPrimitives.ReadUInt64BigEndian(bytes);
    }

    private uint ReadNumber32()
    {
        Span<byte> bytes = stackalloc byte[4];
        stream.Receive(bytes);
        return BinaryPrimitives.ReadUInt32BigEndian(bytes);
    }

    private (ulong Cookie, PendingRequest Request) Request(ulong cookie) => (cookie, find(cookie) ?? throw Broken("an answer", "one to a request that waits", $"cookie {cookie}"));

    private NbdRequestException Failed(PendingRequest request, NbdError error, string said) => new(stream.Peer, request.Command, request.Offset, request.Length, error, said);

    private NbdException Broken(string field, string expected, string found) => new(stream.Peer, $"{field}: expected {expected}, found {found}");
}
