using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Attachments that were ended.</summary>
/// <param name="Directory">Where what was written is kept, at the replica; null where nothing is.</param>
public sealed record Detached(int Count, string? Directory) : IMessage
{
    public MessageType Type => MessageType.Detached;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 2);
        writer.WriteInt32(Count);
        writer.WriteString(Directory ?? "");
    }

    internal static Detached Read(ref MessageFields fields)
    {
        var count = fields.Int32("detached count", 0, MessageLimits.MaxAttachments);
        return new Detached(count, fields.Text("kept in") is { Length: > 0 } directory ? directory : null);
    }
}
