using VmRepl.Blocks;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Digests of a disk's blocks as the source has them. Each extent is cut into blocks from its own start, the last may be short; answered with <see cref="DigestResult"/>.</summary>
/// <param name="Id">Comes back with the answer.</param>
/// <param name="BlockSize">Bytes; a multiple of 512.</param>
/// <param name="Extents">Ascending, not empty, without overlap.</param>
/// <param name="Digests">16 bytes for each block of each extent, in order.</param>
public sealed record DigestCompare(ulong Id, uint Disk, int BlockSize, Extent[] Extents, byte[] Digests) : IMessage
{
    public MessageType Type => MessageType.DigestCompare;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 5);
        writer.WriteUInt64(Id);
        writer.WriteUInt32(Disk);
        writer.WriteInt32(BlockSize);
        writer.WriteExtents(Extents);
        writer.WriteBinary(Digests);
    }

    /// <summary>How many blocks, and so digests, the extents make.</summary>
    public static long BlockCount(IReadOnlyList<Extent> extents, int blockSize)
    {
        long blocks = 0;
        foreach (var extent in extents) blocks = checked(blocks + (extent.Length / blockSize) + (extent.Length % blockSize == 0 ? 0 : 1));
        return blocks;
    }

    internal static DigestCompare Read(ref MessageFields fields)
    {
        var id = fields.UInt64("digest compare id");
        var disk = fields.UInt32("digest compare disk");
        var blockSize = fields.Int32("digest compare block size", Sectors.Size, MessageLimits.MaxDigestBlockBytes);
        if (!Sectors.IsAligned(blockSize, Sectors.Size)) throw fields.Wrong("digest compare block size", "a multiple of 512", $"{blockSize}");
        var extents = fields.Extents("digest compare extents");
        // Ascending extents end below 2^63, so the blocks cannot overflow either.
        var blocks = BlockCount(extents, blockSize);
        if (blocks > MessageLimits.MaxDigests) throw fields.Wrong("digest compare extents", $"at most {MessageLimits.MaxDigests} blocks", $"{blocks}");
        var digests = fields.Binary("digest compare digests", MessageLimits.MaxDigests * MessageLimits.DigestBytes);
        if (digests.Length != blocks * MessageLimits.DigestBytes)
            throw fields.Wrong("digest compare digests", $"{blocks * MessageLimits.DigestBytes} bytes", $"{digests.Length}");
        return new DigestCompare(id, disk, blockSize, extents, digests.ToArray());
    }
}
