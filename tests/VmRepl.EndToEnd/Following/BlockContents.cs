using System.Buffers.Binary;

namespace VmRepl.EndToEnd.Following;

/// <summary>Contents of a block of 4 KiB that say which block and which write of it they are: incompressible, and wrong in any byte they are found out.</summary>
internal static class BlockContents
{
    public const int Bytes = 4096;

    public static void Fill(Span<byte> block, long number, long version)
    {
        var state = unchecked((ulong)((number * 0x1000003) ^ version) * 0x9E3779B97F4A7C15) | 1;
        for (var at = 0; at < Bytes; at += sizeof(ulong))
        {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            BinaryPrimitives.WriteUInt64LittleEndian(block[at..], state);
        }

        BinaryPrimitives.WriteInt64LittleEndian(block, version);
    }

    /// <returns>Which write of the block it is; 0 for zeros; null for anything else.</returns>
    public static long? Version(ReadOnlySpan<byte> block, long number)
    {
        var version = BinaryPrimitives.ReadInt64LittleEndian(block);
        Span<byte> wanted = stackalloc byte[Bytes];
        if (version != 0) Fill(wanted, number, version);
        return block.SequenceEqual(wanted) ? version : null;
    }
}
