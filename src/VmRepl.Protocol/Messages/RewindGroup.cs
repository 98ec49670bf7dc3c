using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>
/// Take a group's live images to a point. Answered with any number of <see cref="RewindProgress"/>, then <see cref="Rewound"/> or <see cref="Failure"/>.
/// What was begun goes on when the connection ends.
/// </summary>
/// <param name="To"><c>latest</c>, an ISO 8601 time, a sequence or a bookmark.</param>
public sealed record RewindGroup(string Group, string To) : IMessage
{
    public MessageType Type => MessageType.RewindGroup;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 2);
        writer.WriteString(Group);
        writer.WriteString(To);
    }

    internal static RewindGroup Read(ref MessageFields fields) =>
        new(fields.Name("rewind group"), fields.Word("rewind point"));
}
