using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>What a replica says about one of its groups in a list.</summary>
/// <param name="LastPoint">Sequence of the newest recovery point; 0 where there is none.</param>
public sealed record GroupSummary(string Name, string Phase, ulong Durable, ulong Applied, ulong LastPoint, DiskDeclaration[] Disks)
{
    /// <summary>What the source promised when it last opened the group: one of <see cref="Messages.AckMode"/>.</summary>
    public string AckMode { get; init; } = Messages.AckMode.Snapshot;

    /// <summary>The lease that it named, in milliseconds; 0 for none.</summary>
    public uint LeaseMs { get; init; }

    /// <summary>When something last came from the source, microseconds since 1970 UTC by the replica's clock; 0 where that is not known.</summary>
    public long LastSignUs { get; init; }

    internal void WriteTo(MessagePackWriter writer)
    {
        writer.WriteArrayHeader(9);
        writer.WriteString(Name);
        writer.WriteString(Phase);
        writer.WriteUInt64(Durable);
        writer.WriteUInt64(Applied);
        writer.WriteUInt64(LastPoint);
        writer.WriteDisks(Disks);
        writer.WriteString(AckMode);
        writer.WriteUInt32(LeaseMs);
        writer.WriteInt64(LastSignUs);
    }

    internal static GroupSummary Read(ref MessageFields fields)
    {
        var outer = fields.Enter("group summary");
        var summary = new GroupSummary(
            fields.Name("group name"), fields.Word("group phase"), fields.UInt64("group durable"), fields.UInt64("group applied"), fields.UInt64("group last point"),
            DiskDeclaration.ReadList(ref fields))
        {
            AckMode = fields.HasMore ? fields.Word("group ack mode") : Messages.AckMode.Snapshot,
            LeaseMs = fields.HasMore ? fields.UInt32("group lease") : 0,
            LastSignUs = fields.HasMore ? fields.Size("group last sign") : 0,
        };
        fields.Leave(outer);
        return summary;
    }
}
