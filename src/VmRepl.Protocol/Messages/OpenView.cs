using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Asks for a read-only view of a group as of a moment. Answered with <see cref="ViewOpened"/> or <see cref="Failure"/>.</summary>
/// <param name="At"><c>latest</c>, an ISO 8601 time, a sequence or a bookmark.</param>
public sealed record OpenView(string Group, string At) : IMessage
{
    public MessageType Type => MessageType.OpenView;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 2);
        writer.WriteString(Group);
        writer.WriteString(At);
    }

    internal static OpenView Read(ref MessageFields fields) =>
        new(fields.Name("open view group"), fields.Word("open view at"));
}
