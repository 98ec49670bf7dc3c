using System.Buffers.Binary;
using VmRepl.Nbd.Transport;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Client;

/// <summary>
/// Reads answers and gives their contents to the requests they belong to. The server is not trusted: nothing is allocated or written for an answer before it was compared with its request.
/// </summary>
/// <remarks>
/// <code>
/// Simple reply                              Chunk of a structured reply
/// Offset Size Field                         Offset Size Field
///      0    4 magic 0x67446698                   0    4 magic 0x668e33ef
///      4    4 error                              4    2 flags; bit 0: the last chunk
///      8    8 cookie                             6    2 kind
///     16      total; a read's contents           8    8 cookie
///             follow where there is no error    16    4 length of the payload
///                                               20      total; the payload follows
/// </code>
/// </remarks>
internal sealed class ReplyReader(ReceiveBuffer receive, OpenedExport export, string peer, Func<ulong, PendingRequest?> find)
{
    public const int SimpleSize = 16, ChunkHeadSize = 20;
    private const int DoneFlag = 1;
    private const int ErrorSize = 6, ErrorOffsetSize = ErrorSize + 8;

    private readonly StatusReader statuses = new(receive, export, peer);

    /// <summary>One simple reply or one chunk.</summary>
    /// <returns>The request that is complete by it; null where more is to come.</returns>
    /// <exception cref="NbdException">The server broke the protocol, or ended the connection.</exception>
    /// <exception cref="IOException">The connection broke.</exception>
    public PendingRequest? Read()
    {
        if (!receive.Fill(4)) throw Broken(receive.Available == 0 ? "it ended the connection" : $"it ended the connection after {receive.Available} bytes of an answer");
        var magic = BinaryPrimitives.ReadUInt32BigEndian(receive.Peek(4));
        if (magic == NbdMagic.SimpleReply) return ReadSimple();
        if (magic == NbdMagic.StructuredReply && export.HasStructuredReplies) return ReadChunk();
        throw Broken($"an answer begins with 0x{magic:x8}, not with 0x{NbdMagic.SimpleReply:x8}{(export.HasStructuredReplies ? $" or 0x{NbdMagic.StructuredReply:x8}" : "")}");
    }

    private PendingRequest ReadSimple()
    {
        var head = Take(SimpleSize, "an answer");
        var error = (NbdError)BinaryPrimitives.ReadUInt32BigEndian(head[4..]);
        var request = Find(BinaryPrimitives.ReadUInt64BigEndian(head[8..]));
        if (error != NbdError.None)
        {
            request.Fail(error, "");
            return request;
        }

        if (request.Command == NbdCommand.BlockStatus || (request.Command == NbdCommand.Read && export.HasStructuredReplies)) throw Broken($"a simple reply to {Told(request)} where chunks were agreed");
        if (request.Command == NbdCommand.Read) TakeContents(request, request.Offset, request.Length);
        return request;
    }

    private PendingRequest? ReadChunk()
    {
        var head = Take(ChunkHeadSize, "a chunk's head");
        var isLast = (BinaryPrimitives.ReadUInt16BigEndian(head[4..]) & DoneFlag) != 0;
        var kind = (NbdChunk)BinaryPrimitives.ReadUInt16BigEndian(head[6..]);
        var request = Find(BinaryPrimitives.ReadUInt64BigEndian(head[8..]));
        var length = BinaryPrimitives.ReadUInt32BigEndian(head[16..]);
        switch (kind)
        {
            case NbdChunk.None:
                if (length > 0) throw Broken($"a chunk {kind} with {length} bytes to {Told(request)}; it has none");
                if (!isLast) throw Broken($"a chunk {kind} to {Told(request)} that is not its last");
                break;
            case NbdChunk.OffsetData:
                ReadData(request, length);
                break;
            case NbdChunk.OffsetHole:
                ReadHole(request, length);
                break;
            case NbdChunk.BlockStatus:
                statuses.Read(request, length);
                break;
            default:
                if (((ushort)kind & 0x8000) == 0) throw Broken($"a chunk of the unknown kind {(ushort)kind} to {Told(request)}");
                ReadError(request, kind, length);
                break;
        }

        if (!isLast) return null;
        if (request.Error == NbdError.None) CheckWhole(request);
        return request;
    }

    private void ReadData(PendingRequest request, uint length)
    {
        if (request.Command != NbdCommand.Read) throw Broken($"contents in an answer to {Told(request)}");
        if (length <= 8 || length - 8 > request.Length) throw Broken($"a chunk of {length} bytes to {Told(request)}; 9 to {8 + request.Length} were expected");
        var offset = BinaryPrimitives.ReadUInt64BigEndian(Take(8, "a chunk's offset"));
        Cover(request, offset, length - 8);
        TakeContents(request, (long)offset, length - 8);
    }

    private unsafe void ReadHole(PendingRequest request, uint length)
    {
        if (request.Command != NbdCommand.Read) throw Broken($"a hole in an answer to {Told(request)}");
        if (length != 12) throw Broken($"a hole in {length} bytes to {Told(request)}; 12 were expected");
        var body = Take(12, "a hole");
        var (offset, size) = (BinaryPrimitives.ReadUInt64BigEndian(body), BinaryPrimitives.ReadUInt32BigEndian(body[8..]));
        Cover(request, offset, size);
        new Span<byte>(request.Target + ((long)offset - request.Offset), (int)size).Clear();
    }

    private void ReadError(PendingRequest request, NbdChunk kind, uint length)
    {
        var least = kind == NbdChunk.ErrorOffset ? ErrorOffsetSize : ErrorSize;
        if (length < least || length > least + NbdLimits.TextBytesMax) throw Broken($"an error of {length} bytes to {Told(request)}; {least} to {least + NbdLimits.TextBytesMax} were expected");
        var body = Take((int)length, "an error");
        var error = (NbdError)BinaryPrimitives.ReadUInt32BigEndian(body);
        var sentence = BinaryPrimitives.ReadUInt16BigEndian(body[4..]);
        if (error == NbdError.None) throw Broken($"an error chunk to {Told(request)} with the error 0");
        // An error of a kind that we do not know begins as the others do; what its tail means is its own affair.
        if (sentence > length - least || (kind is NbdChunk.Error or NbdChunk.ErrorOffset && sentence != length - least)) throw Broken($"an error of {length} bytes with a sentence of {sentence} to {Told(request)}");
        if (kind == NbdChunk.ErrorOffset)
        {
            var place = BinaryPrimitives.ReadUInt64BigEndian(body[(ErrorSize + sentence)..]);
            if (place < (ulong)request.Offset || place >= (ulong)request.End) throw Broken($"an error at {place} to {Told(request)}");
        }

        request.Fail(error, ServerText.Of(body.Slice(ErrorSize, sentence)));
    }

    private void CheckWhole(PendingRequest request)
    {
        if (request.Command == NbdCommand.Read && request.Covered.Bytes < request.Length) throw Broken($"the answer to {Told(request)} ended with {request.Length - request.Covered.Bytes} bytes missing");
        if (request.Command == NbdCommand.BlockStatus && request.Extents is null) throw Broken($"the answer to {Told(request)} ended without the context that was asked for");
    }

    private void Cover(PendingRequest request, ulong offset, uint length)
    {
        if (offset < (ulong)request.Offset || offset >= (ulong)request.End || length > (ulong)request.End - offset || length == 0) throw Broken($"a chunk of {length} bytes at {offset} lies outside {Told(request)}");
        if (request.Covered.Add((long)offset, length) is { } reason) throw Broken($"a chunk of {length} bytes at {offset} to {Told(request)} {reason}");
    }

    private unsafe void TakeContents(PendingRequest request, long offset, long length)
    {
        if (!receive.ReadExactly(new Span<byte>(request.Target + (offset - request.Offset), (int)length))) throw Broken($"it ended the connection amid {length} bytes of the answer to {Told(request)}");
    }

    private ReadOnlySpan<byte> Take(int count, string what)
    {
        if (!receive.Fill(count)) throw Broken($"it ended the connection after {receive.Available} of the {count} bytes of {what}");
        var bytes = receive.Peek(count);
        receive.Skip(count);
        return bytes;
    }

    private PendingRequest Find(ulong cookie) => find(cookie) ?? throw Broken($"an answer to the cookie 0x{cookie:x16}, which no open request has");

    private static string Told(PendingRequest request) => $"{request.Command} of {request.Length} bytes at {request.Offset}";

    private NbdException Broken(string message) => new(peer, message);
}
