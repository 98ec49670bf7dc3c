using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Asks for a group, to send its records from here on. Answered with <see cref="GroupState"/> or <see cref="Refusal"/>.</summary>
/// <param name="SourceId">Which source the group belongs to; another one may not go on with it.</param>
/// <param name="Epoch">An older one than the replica knows is refused.</param>
/// <param name="Disks">Every disk of the group.</param>
/// <param name="Create">Whether a group that is not there may be made.</param>
public sealed record OpenGroup(string Group, Guid SourceId, uint Epoch, DiskDeclaration[] Disks, bool Create) : IMessage
{
    public MessageType Type => MessageType.OpenGroup;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 5);
        writer.WriteString(Group);
        writer.WriteGuid(SourceId);
        writer.WriteUInt32(Epoch);
        writer.WriteDisks(Disks);
        writer.WriteBoolean(Create);
    }

    internal static OpenGroup Read(ref MessageFields fields) =>
        new(
            fields.Name("open group name"), fields.Guid("open group source id"), fields.UInt32("open group epoch"), DiskDeclaration.ReadList(ref fields), fields.Boolean("open group create"));
}
