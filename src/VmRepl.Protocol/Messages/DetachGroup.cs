using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Ends attachments of a group. Answered with any number of <see cref="DetachProgress"/>, then <see cref="Detached"/> or <see cref="Failure"/>.</summary>
/// <param name="At">Those of this point: <c>latest</c>, an ISO 8601 time, a sequence or a bookmark; empty for all of the group.</param>
/// <param name="Id">Only the one of this number; 0 for all that <paramref name="At"/> means.</param>
/// <param name="Keep">What was written is kept under this name; null throws it away.</param>
public sealed record DetachGroup(string Group, string At, uint Id, string? Keep) : IMessage
{
    public MessageType Type => MessageType.DetachGroup;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 4);
        writer.WriteString(Group);
        writer.WriteString(At);
        writer.WriteUInt32(Id);
        writer.WriteOptionalString(Keep);
    }

    internal static DetachGroup Read(ref MessageFields fields) =>
        new(fields.Name("detach group"), fields.Word("detach point"), fields.UInt32("attachment number"), fields.OptionalName("keep"));
}
