using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>How far the replica is. Each number is cumulative and never goes back.</summary>
/// <param name="Received">Every record up to this sequence has arrived.</param>
/// <param name="Durable">Every record up to this sequence is on stable storage: what may be believed.</param>
/// <param name="Applied">Every record up to this sequence is in the live images.</param>
/// <param name="CreditBytes">Bytes granted since the group was opened on this connection, all in all.</param>
public sealed record Ack(ulong Received, ulong Durable, ulong Applied, ulong CreditBytes) : IMessage
{
    public MessageType Type => MessageType.Ack;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 4);
        writer.WriteUInt64(Received);
        writer.WriteUInt64(Durable);
        writer.WriteUInt64(Applied);
        writer.WriteUInt64(CreditBytes);
    }

    internal static Ack Read(ref MessageFields fields) =>
        new(fields.UInt64("ack received"), fields.UInt64("ack durable"), fields.UInt64("ack applied"), fields.UInt64("ack credit"));
}
