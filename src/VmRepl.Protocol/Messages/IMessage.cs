using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>What travels in one frame: a MessagePack array of the type's number and the message's fields, in order (docs/protocol.md, "Messages").</summary>
public interface IMessage
{
    MessageType Type { get; }

    /// <summary>Appends the whole message.</summary>
    void WriteTo(MessagePackWriter writer);
}
