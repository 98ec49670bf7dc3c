using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Asks for a group's recovery points. Answered with <see cref="PointList"/> or <see cref="Failure"/>.</summary>
public sealed record ListPoints(string Group) : IMessage
{
    public MessageType Type => MessageType.ListPoints;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 1);
        writer.WriteString(Group);
    }

    internal static ListPoints Read(ref MessageFields fields) =>
        new(fields.Name("list points group"));
}
