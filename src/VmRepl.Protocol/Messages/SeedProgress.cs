using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>How far the filling of a disk from its seed is, in bytes of the disk.</summary>
/// <param name="Id">That of the <see cref="SeedDisk"/>.</param>
public sealed record SeedProgress(ulong Id, long TotalBytes, long DoneBytes) : IMessage
{
    public MessageType Type => MessageType.SeedProgress;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 3);
        writer.WriteUInt64(Id);
        writer.WriteInt64(TotalBytes);
        writer.WriteInt64(DoneBytes);
    }

    internal static SeedProgress Read(ref MessageFields fields) => new(fields.UInt64("seed progress id"), fields.Size("seed total"), fields.Size("seed done"));
}
