using VmRepl.Blocks;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Which parts of the extents does the replica's live image have stored? Answered with <see cref="AllocationResult"/>.</summary>
/// <param name="Extents">Ascending, not empty, without overlap.</param>
public sealed record AllocationQuery(ulong Id, uint Disk, Extent[] Extents) : IMessage
{
    public MessageType Type => MessageType.AllocationQuery;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 3);
        writer.WriteUInt64(Id);
        writer.WriteUInt32(Disk);
        writer.WriteExtents(Extents);
    }

    internal static AllocationQuery Read(ref MessageFields fields) =>
        new(fields.UInt64("allocation query id"), fields.UInt32("allocation query disk"), fields.Extents("allocation query extents"));
}
