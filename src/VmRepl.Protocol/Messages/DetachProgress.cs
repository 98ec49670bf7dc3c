using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>How far the keeping of what was written is.</summary>
public sealed record DetachProgress(long TotalBytes, long DoneBytes) : IMessage
{
    public MessageType Type => MessageType.DetachProgress;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 2);
        writer.WriteInt64(TotalBytes);
        writer.WriteInt64(DoneBytes);
    }

    internal static DetachProgress Read(ref MessageFields fields) => new(fields.Size("keep total"), fields.Size("keep done"));
}
