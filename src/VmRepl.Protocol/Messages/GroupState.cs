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

    /// <summary>Time of the newest record, microseconds since 1970 UTC; 0 where there is none.</summary>
    public long NewestTimeUs { get; init; }

    /// <summary>Sequence with which the newest rewind began at the replica; 0 where none is known. Where it is another one, the replica gave out numbers that the source does not know of.</summary>
    public ulong NewestRewind { get; init; }

    /// <summary>The metadata keys that have a value at the replica; at most 1024.</summary>
    public string[] MetadataKeys { get; init; } = [];

    /// <summary>Whether it was rewound since a source knew of <paramref name="known"/> as its newest rewind. Another number says so, a lower one too: an older copy that was rewound may have gone past numbers of the source's since. None says nothing: one that was retired is not remembered.</summary>
    public bool IsRewoundSince(ulong known) => NewestRewind != 0 && NewestRewind != known;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 10);
        writer.WriteString(Phase);
        writer.WriteUInt64(Durable);
        writer.WriteUInt64(Applied);
        writer.WriteUInt64(LastPoint);
        writer.WriteUInt32(Epoch);
        writer.WriteUInt64(CreditBytes);
        writer.WriteInt64(FirstPointTimeUs);
        writer.WriteInt64(NewestTimeUs);
        writer.WriteUInt64(NewestRewind);
        writer.WriteWords(MetadataKeys);
    }

    internal static GroupState Read(ref MessageFields fields) =>
        new(
            fields.Word("group state phase"), fields.UInt64("group state durable"), fields.UInt64("group state applied"), fields.UInt64("group state last point"),
            fields.UInt32("group state epoch"), fields.UInt64("group state credit"), fields.Int64("group state first point"))
        {
            NewestTimeUs = fields.Size("group state newest time"),
            NewestRewind = fields.UInt64("group state newest rewind"),
            MetadataKeys = fields.Strings("group state metadata keys", MessageLimits.MaxMetadataEntries, MessageLimits.MaxMetadataKeyBytes),
        };
}
