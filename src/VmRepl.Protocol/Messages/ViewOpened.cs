using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>A view that does not move until it is closed or the connection ends.</summary>
/// <param name="View">Its number on this connection.</param>
/// <param name="Sequence">The point that was found.</param>
/// <param name="TimeUs">Microseconds since 1970 UTC, source clock.</param>
/// <param name="Metadata">The VM's definition and its other pairs as they were.</param>
public sealed record ViewOpened(uint View, ulong Sequence, long TimeUs, string? Bookmark, DiskDeclaration[] Disks, MetadataEntry[] Metadata) : IMessage
{
    public MessageType Type => MessageType.ViewOpened;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 6);
        writer.WriteUInt32(View);
        writer.WriteUInt64(Sequence);
        writer.WriteInt64(TimeUs);
        writer.WriteOptionalString(Bookmark);
        writer.WriteDisks(Disks);
        writer.WriteArrayHeader(Metadata.Length);
        foreach (var entry in Metadata) entry.WriteTo(writer);
    }

    internal static ViewOpened Read(ref MessageFields fields)
    {
        var view = fields.UInt32("view number");
        var sequence = fields.UInt64("view sequence");
        var timeUs = fields.Int64("view time");
        var bookmark = fields.OptionalName("view bookmark");
        var disks = DiskDeclaration.ReadList(ref fields);
        var outer = fields.Enter("view metadata", MessageLimits.MaxMetadataEntries, out var count);
        var metadata = new MetadataEntry[count];
        for (var i = 0; i < count; i++) metadata[i] = MetadataEntry.Read(ref fields);
        fields.Leave(outer);
        return new ViewOpened(view, sequence, timeUs, bookmark, disks, metadata);
    }
}
