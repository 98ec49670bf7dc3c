using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Asks for the test failovers of a group that the replica knows of. Answered with <see cref="TestList"/> or <see cref="Failure"/>.</summary>
public sealed record ListTests(string Group) : IMessage
{
    public MessageType Type => MessageType.ListTests;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 1);
        writer.WriteString(Group);
    }

    internal static ListTests Read(ref MessageFields fields) => new(fields.Name("list tests group"));
}
