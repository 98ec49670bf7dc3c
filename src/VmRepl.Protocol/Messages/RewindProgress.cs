using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>How far a rewind is.</summary>
/// <param name="TotalBytes">Bytes of the disks that have to be put back.</param>
/// <param name="DoneBytes">Those that are.</param>
public sealed record RewindProgress(long TotalBytes, long DoneBytes) : IMessage
{
    public MessageType Type => MessageType.RewindProgress;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 2);
        writer.WriteInt64(TotalBytes);
        writer.WriteInt64(DoneBytes);
    }

    internal static RewindProgress Read(ref MessageFields fields) =>
        new(fields.Size("rewind total"), fields.Size("rewind done"));
}
