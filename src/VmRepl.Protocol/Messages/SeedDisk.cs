using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>
/// Asks to fill a disk's live image from the seed that <see cref="OpenGroup"/> named for it, in a baseline, before anything is compared. Answered with any number of <see cref="SeedProgress"/>, then
/// <see cref="DiskSeeded"/>; once for a disk on one connection. Sent only to a peer that named the capability <see cref="Capability"/>.
/// </summary>
public sealed record SeedDisk(ulong Id, uint Disk) : IMessage
{
    public const string Capability = "seed";

    public MessageType Type => MessageType.SeedDisk;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 2);
        writer.WriteUInt64(Id);
        writer.WriteUInt32(Disk);
    }

    internal static SeedDisk Read(ref MessageFields fields) => new(fields.UInt64("seed disk id"), fields.UInt32("seed disk"));
}
