using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Asks for the clones of a group that the replica has. Answered with <see cref="CloneList"/> or <see cref="Failure"/>. Sent only to a peer that named <see cref="Capability"/>.</summary>
public sealed record ListClones(string Group) : IMessage
{
    /// <summary>Names this exchange, and the clone that an <see cref="OpenGroup"/> may speak of.</summary>
    public const string Capability = "clones";

    public MessageType Type => MessageType.ListClones;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 1);
        writer.WriteString(Group);
    }

    internal static ListClones Read(ref MessageFields fields) => new(fields.Name("list clones group"));
}
