using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>What a replica says about one of its groups in a list.</summary>
/// <param name="LastPoint">Sequence of the newest recovery point; 0 where there is none.</param>
public sealed record GroupSummary(string Name, string Phase, ulong Durable, ulong Applied, ulong LastPoint, DiskDeclaration[] Disks)
{
    internal void WriteTo(MessagePackWriter writer)
    {
        writer.WriteArrayHeader(6);
        writer.WriteString(Name);
        writer.WriteString(Phase);
        writer.WriteUInt64(Durable);
        writer.WriteUInt64(Applied);
        writer.WriteUInt64(LastPoint);
        writer.WriteDisks(Disks);
    }

    internal static GroupSummary Read(ref MessageFields fields)
    {
        var outer = fields.Enter("group summary");
        var summary = new GroupSummary(
            fields.Name("group name"), fields.Word("group phase"), fields.UInt64("group durable"), fields.UInt64("group applied"), fields.UInt64("group last point"),
            DiskDeclaration.ReadList(ref fields));
        fields.Leave(outer);
        return summary;
    }
}
