using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>A group that is attached as of a point.</summary>
/// <param name="Id">Its number at this replica.</param>
public sealed record Attached(uint Id, RecoveryPoint Point, bool Writable, AttachedDisk[] Disks) : IMessage
{
    public MessageType Type => MessageType.Attached;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 4);
        WriteFields(writer);
    }

    internal void WriteFields(MessagePackWriter writer)
    {
        writer.WriteUInt32(Id);
        Point.WriteTo(writer);
        writer.WriteBoolean(Writable);
        writer.WriteArrayHeader(Disks.Length);
        foreach (var disk in Disks) disk.WriteTo(writer);
    }

    internal static Attached Read(ref MessageFields fields)
    {
        var id = fields.UInt32("attachment number");
        var point = RecoveryPoint.Read(ref fields);
        var writable = fields.Boolean("attachment writable");
        var outer = fields.Enter("attached disks", MessageLimits.MaxDisks, out var count);
        var disks = new AttachedDisk[count];
        for (var i = 0; i < count; i++) disks[i] = AttachedDisk.Read(ref fields);
        fields.Leave(outer);
        return new Attached(id, point, writable, disks);
    }
}
