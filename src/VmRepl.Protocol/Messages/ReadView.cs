using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Asks for contents of a view's disk. Answered with <see cref="ViewContents"/> or <see cref="Failure"/>.</summary>
/// <param name="Offset">Bytes.</param>
/// <param name="Length">Bytes; 1 to <see cref="MessageLimits.MaxReadBytes"/>.</param>
public sealed record ReadView(uint View, uint Disk, long Offset, int Length) : IMessage
{
    public MessageType Type => MessageType.ReadView;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 4);
        writer.WriteUInt32(View);
        writer.WriteUInt32(Disk);
        writer.WriteInt64(Offset);
        writer.WriteInt32(Length);
    }

    internal static ReadView Read(ref MessageFields fields) =>
        new(
            fields.UInt32("read view number"), fields.UInt32("read view disk"), fields.Size("read view offset"), fields.Int32("read view length", 1, MessageLimits.MaxReadBytes));
}
