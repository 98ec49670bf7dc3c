using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>A rewind is done and durable.</summary>
/// <param name="Made">The point that it made, the newest one now.</param>
/// <param name="Target">The point gone to; it holds the same.</param>
/// <param name="Bytes">Bytes of the disks that were put back.</param>
public sealed record Rewound(RecoveryPoint Made, RecoveryPoint Target, long Bytes) : IMessage
{
    public MessageType Type => MessageType.Rewound;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 3);
        Made.WriteTo(writer);
        Target.WriteTo(writer);
        writer.WriteInt64(Bytes);
    }

    internal static Rewound Read(ref MessageFields fields) =>
        new(RecoveryPoint.Read(ref fields), RecoveryPoint.Read(ref fields), fields.Size("rewound bytes"));
}
