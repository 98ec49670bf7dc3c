using System.Buffers.Binary;
using VmRepl.Nbd.Transport;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Client;

/// <summary>The frames of a negotiation, from the client's side.</summary>
/// <remarks>
/// <code>
/// Option                                    Answer
/// Offset Size Field                         Offset Size Field
///      0    8 "IHAVEOPT"                         0    8 magic 0x0003e889045565a9
///      8    4 option                             8    4 option that is answered
///     12    4 length of the data                12    4 kind
///     16      total; the data follows           16    4 length of the data
///                                               20      total; the data follows
/// </code>
/// </remarks>
internal sealed class OptionExchange(ClientTransport transport, string peer)
{
    private const int OptionHeadSize = 16, ReplyHeadSize = 20;

    /// <summary>What came from the server and is not used yet.</summary>
    public ReceiveBuffer Receive { get; } = new(transport);

    /// <summary>The next bytes; good until the next call.</summary>
    /// <param name="what">What they should be, for the message.</param>
    /// <exception cref="NbdException">The server ended the connection before.</exception>
    public ReadOnlySpan<byte> Take(int count, string what)
    {
        if (!Receive.Fill(count)) throw Broken($"it ended the connection after {Receive.Available} of the {count} bytes of {what}");
        var bytes = Receive.Peek(count);
        Receive.Skip(count);
        return bytes;
    }

    public void Send(NbdOption option, params ReadOnlySpan<byte> data)
    {
        var bytes = new byte[OptionHeadSize + data.Length];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, NbdMagic.Option);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(8), (uint)option);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(12), data.Length);
        data.CopyTo(bytes.AsSpan(OptionHeadSize));
        transport.Send(bytes);
    }

    /// <summary>One answer to the option that was sent last.</summary>
    /// <exception cref="NbdException">It is none.</exception>
    public OptionReply Next(NbdOption option)
    {
        var head = Take(ReplyHeadSize, $"the answer to {option}");
        var magic = BinaryPrimitives.ReadUInt64BigEndian(head);
        if (magic != NbdMagic.OptionReply) throw Broken($"the answer to {option} begins with 0x{magic:x16}, not with 0x{NbdMagic.OptionReply:x16}");
        var answered = BinaryPrimitives.ReadUInt32BigEndian(head[8..]);
        if (answered != (uint)option) throw Broken($"it answered option {answered} where {option} ({(uint)option}) was asked");
        var kind = (NbdOptionReply)BinaryPrimitives.ReadUInt32BigEndian(head[12..]);
        var length = BinaryPrimitives.ReadUInt32BigEndian(head[16..]);
        if (length > NbdLimits.OptionBytesMax) throw Broken($"an answer to {option} has {length} bytes of data; {NbdLimits.OptionBytesMax} are the most");
        return new OptionReply(kind, Take((int)length, $"the data of the answer to {option}").ToArray());
    }

    /// <summary>An option that is answered with yes or no.</summary>
    public OptionReply Ask(NbdOption option)
    {
        Send(option);
        var reply = Next(option);
        if (reply.IsError) return reply;
        if (reply.Kind != NbdOptionReply.Ack) throw Broken($"it answered {option} with {reply.Kind} where {NbdOptionReply.Ack} or an error was expected");
        if (reply.Body.Length > 0) throw Broken($"its {NbdOptionReply.Ack} to {option} has {reply.Body.Length} bytes of data where none were expected");
        return reply;
    }

    public NbdException Broken(string message) => new(peer, message);
}
