using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Where the replica stands with a group that was opened: the source goes on after <paramref name="Durable"/>.</summary>
/// <param name="Durable">Every record up to this sequence is on stable storage.</param>
/// <param name="Applied">Every record up to this sequence is in the live images.</param>
/// <param name="LastPoint">Sequence of the newest recovery point; 0 where there is none.</param>
/// <param name="FirstPointTimeUs">Time of the oldest recovery point, microseconds since 1970 UTC by the source's clock; 0 where there is none.</param>
/// <param name="CreditBytes">Bytes granted since the group was opened on this connection, all in all.</param>
public sealed record GroupState(string Phase, ulong Durable, ulong Applied, ulong LastPoint, uint Epoch, ulong CreditBytes, long FirstPointTimeUs) : IMessage
{
    public MessageType Type => MessageType.GroupState;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 7);
        writer.WriteString(Phase);
        writer.WriteUInt64(Durable);
        writer.WriteUInt64(Applied);
        writer.WriteUInt64(LastPoint);
        writer.WriteUInt32(Epoch);
        writer.WriteUInt64(CreditBytes);
        writer.WriteInt64(FirstPointTimeUs);
    }

    internal static GroupState Read(ref MessageFields fields) =>
        new(
            fields.Word("group state phase"), fields.UInt64("group state durable"), fields.UInt64("group state applied"), fields.UInt64("group state last point"),
            fields.UInt32("group state epoch"), fields.UInt64("group state credit"), fields.Int64("group state first point"));
}
