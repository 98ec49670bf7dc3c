using VmRepl.Blocks;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>The answer to an <see cref="AllocationQuery"/>: everything else of what was asked about reads as zeros.</summary>
/// <param name="Allocated">Ascending, not empty, without overlap.</param>
public sealed record AllocationResult(ulong Id, Extent[] Allocated) : IMessage
{
    public MessageType Type => MessageType.AllocationResult;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 2);
        writer.WriteUInt64(Id);
        writer.WriteExtents(Allocated);
    }

    internal static AllocationResult Read(ref MessageFields fields) =>
        new(fields.UInt64("allocation result id"), fields.Extents("allocation result extents"));
}
