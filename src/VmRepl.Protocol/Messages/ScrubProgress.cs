using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>How far a scrub is, in bytes.</summary>
public sealed record ScrubProgress(long TotalBytes, long DoneBytes) : IMessage
{
    public MessageType Type => MessageType.ScrubProgress;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 2);
        writer.WriteInt64(TotalBytes);
        writer.WriteInt64(DoneBytes);
    }

    internal static ScrubProgress Read(ref MessageFields fields) => new(fields.Size("scrub total"), fields.Size("scrub done"));
}
