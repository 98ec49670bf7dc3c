using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Which blocks of a <see cref="DigestCompare"/> the replica has otherwise.</summary>
/// <param name="Differing">A bit for each block, the lowest bit of the first byte first; 1 where the block differs. Whoever asked compares the length.</param>
public sealed record DigestResult(ulong Id, byte[] Differing) : IMessage
{
    public MessageType Type => MessageType.DigestResult;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 2);
        writer.WriteUInt64(Id);
        writer.WriteBinary(Differing);
    }

    internal static DigestResult Read(ref MessageFields fields) =>
        new(fields.UInt64("digest result id"), fields.Binary("digest result bitmap", MessageLimits.MaxDigests / 8).ToArray());
}
