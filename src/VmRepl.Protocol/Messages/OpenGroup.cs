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

    /// <summary>What the source promises its writers: one of <see cref="Messages.AckMode"/>. A source of a release that says nothing sends rounds.</summary>
    public string AckMode { get; init; } = Messages.AckMode.Snapshot;

    /// <summary>For how long after the last word from the replica a source in sync mode goes on waiting for it, in milliseconds; 0 for no lease.</summary>
    public uint LeaseMs { get; init; }

    /// <summary>Files at the replica to begin a baseline from; a group that is not there is not made where one of them cannot be read. Empty where there are none.</summary>
    public DeclaredSeed[] Seeds { get; init; } = [];

    /// <summary>What the group is a clone of; null for a group that is none. Only a peer that named <see cref="ListClones.Capability"/> looks at it.</summary>
    public DeclaredClone? CloneOf { get; init; }

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 9);
        writer.WriteString(Group);
        writer.WriteGuid(SourceId);
        writer.WriteUInt32(Epoch);
        writer.WriteDisks(Disks);
        writer.WriteBoolean(Create);
        writer.WriteString(AckMode);
        writer.WriteUInt32(LeaseMs);
        DeclaredSeed.WriteList(writer, Seeds);
        if (CloneOf is null) writer.WriteNil();
        else CloneOf.WriteTo(writer);
    }

    internal static OpenGroup Read(ref MessageFields fields) =>
        new(
            fields.Name("open group name"), fields.Guid("open group source id"), fields.UInt32("open group epoch"), DiskDeclaration.ReadList(ref fields), fields.Boolean("open group create"))
        {
            AckMode = fields.HasMore ? fields.Word("open group ack mode") : Messages.AckMode.Snapshot,
            LeaseMs = fields.HasMore ? fields.UInt32("open group lease") : 0,
            Seeds = fields.HasMore ? DeclaredSeed.ReadList(ref fields) : [],
            CloneOf = fields.HasMore && !fields.IsNil() ? DeclaredClone.Read(ref fields) : null,
        };
}
