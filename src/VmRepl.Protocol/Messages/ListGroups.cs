using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Asks for the groups that the peer may see. Answered with <see cref="GroupList"/>.</summary>
public sealed record ListGroups : IMessage
{
    public MessageType Type => MessageType.ListGroups;

    public void WriteTo(MessagePackWriter writer) => writer.WriteHead(Type, 0);
}
