using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Asks what a range of a view's disk is made of. Answered with <see cref="ViewMap"/> or <see cref="Failure"/>.</summary>
/// <param name="Offset">Bytes.</param>
/// <param name="Length">Bytes.</param>
public sealed record MapView(uint View, uint Disk, long Offset, long Length) : IMessage
{
    public MessageType Type => MessageType.MapView;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 4);
        writer.WriteUInt32(View);
        writer.WriteUInt32(Disk);
        writer.WriteInt64(Offset);
        writer.WriteInt64(Length);
    }

    internal static MapView Read(ref MessageFields fields) =>
        new(fields.UInt32("map view number"), fields.UInt32("map view disk"), fields.Size("map view offset"), fields.Size("map view length"));
}
