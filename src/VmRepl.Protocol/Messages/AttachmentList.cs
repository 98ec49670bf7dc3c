using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>What is attached of a group, oldest attachment first.</summary>
public sealed record AttachmentList(string Group, Attached[] Attachments) : IMessage
{
    public MessageType Type => MessageType.AttachmentList;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 2);
        writer.WriteString(Group);
        writer.WriteArrayHeader(Attachments.Length);
        foreach (var attached in Attachments)
        {
            writer.WriteArrayHeader(4);
            attached.WriteFields(writer);
        }
    }

    internal static AttachmentList Read(ref MessageFields fields)
    {
        var group = fields.Name("attachment list group");
        var outer = fields.Enter("attachments", MessageLimits.MaxAttachments, out var count);
        var attachments = new Attached[count];
        for (var i = 0; i < count; i++)
        {
            var one = fields.Enter("attachment");
            attachments[i] = Attached.Read(ref fields);
            fields.Leave(one);
        }

        fields.Leave(outer);
        return new AttachmentList(group, attachments);
    }
}
