using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>The view is needed no longer. Not answered.</summary>
public sealed record CloseView(uint View) : IMessage
{
    public MessageType Type => MessageType.CloseView;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 1);
        writer.WriteUInt32(View);
    }

    internal static CloseView Read(ref MessageFields fields) =>
        new(fields.UInt32("close view number"));
}
