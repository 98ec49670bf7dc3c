using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Nothing more will follow; the sender closes after it.</summary>
public sealed record Bye : IMessage
{
    public MessageType Type => MessageType.Bye;

    public void WriteTo(MessagePackWriter writer) => writer.WriteHead(Type, 0);
}
