using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>The answer to a <see cref="Ping"/>.</summary>
public sealed record Pong(ulong Id) : IMessage
{
    public MessageType Type => MessageType.Pong;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 1);
        writer.WriteUInt64(Id);
    }

    internal static Pong Read(ref MessageFields fields) =>
        new(fields.UInt64("pong id"));
}
