using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>A disk's live image holds what its seed holds, durably, as far as the seed could be used.</summary>
/// <param name="Id">That of the <see cref="SeedDisk"/>.</param>
/// <param name="Length">Bytes of the seed's disk; 0 where it could not be opened.</param>
/// <param name="CopiedBytes">Bytes that were written; zeros are not.</param>
/// <param name="Format">The seed's format.</param>
/// <param name="Problem">Why it could be used only in part; empty where all was.</param>
public sealed record DiskSeeded(ulong Id, long Length, long CopiedBytes, string Format, string Problem) : IMessage
{
    public MessageType Type => MessageType.DiskSeeded;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 5);
        writer.WriteUInt64(Id);
        writer.WriteInt64(Length);
        writer.WriteInt64(CopiedBytes);
        writer.WriteString(Format);
        writer.WriteString(Problem);
    }

    internal static DiskSeeded Read(ref MessageFields fields) =>
        new(fields.UInt64("disk seeded id"), fields.Size("disk seeded length"), fields.Size("disk seeded bytes"), fields.Word("disk seeded format"), fields.Text("disk seeded problem"));
}
