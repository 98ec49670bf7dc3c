using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Is anybody there? Answered with <see cref="Pong"/>, whatever else is under way.</summary>
public sealed record Ping(ulong Id) : IMessage
{
    public MessageType Type => MessageType.Ping;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 1);
        writer.WriteUInt64(Id);
    }

    internal static Ping Read(ref MessageFields fields) =>
        new(fields.UInt64("ping id"));
}
