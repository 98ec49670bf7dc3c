using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Asks what is attached of a group. Answered with <see cref="AttachmentList"/> or <see cref="Failure"/>.</summary>
public sealed record ListAttachments(string Group) : IMessage
{
    public MessageType Type => MessageType.ListAttachments;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 1);
        writer.WriteString(Group);
    }

    internal static ListAttachments Read(ref MessageFields fields) => new(fields.Name("list attachments group"));
}
