using System.Buffers.Binary;
using VmRepl.Blocks;

namespace VmRepl.Journal.Index.Files;

/// <summary>
/// A page of an index file:
/// <code>
/// Offset  Size  Field
/// 0       4     CRC-32C of the 4092 bytes that follow
/// 4       4     number of the page in its file, counted from the file's start
/// 8       2     kind: 1 runs, 2 references
/// 10      2     number of entries
/// 12      4     zero
/// 16      4080  entries, then zeros
/// total   4096
/// </code>
/// </summary>
internal static class IndexPage
{
    private const int NumberAt = 4, KindAt = 8, CountAt = 10;

    public static int EntriesMax(int entryBytes) => (IndexLayout.PageBytes - IndexLayout.PageHeaderBytes) / entryBytes;

    public static int Count(ReadOnlySpan<byte> page) => BinaryPrimitives.ReadUInt16LittleEndian(page[CountAt..]);

    public static ReadOnlySpan<byte> Entry(ReadOnlySpan<byte> page, int index, int entryBytes) => page.Slice(IndexLayout.PageHeaderBytes + (index * entryBytes), entryBytes);

    /// <summary>Fills in the head of a page whose entries are there.</summary>
    public static void Seal(Span<byte> page, uint number, IndexPageKind kind, int count)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(page[NumberAt..], number);
        BinaryPrimitives.WriteUInt16LittleEndian(page[KindAt..], (ushort)kind);
        BinaryPrimitives.WriteUInt16LittleEndian(page[CountAt..], (ushort)count);
        BinaryPrimitives.WriteUInt32LittleEndian(page, Crc32C.Compute(page[NumberAt..]));
    }

    /// <summary>Why these are not the bytes of that page, or null.</summary>
    public static string? WhyNot(ReadOnlySpan<byte> page, uint number, IndexPageKind kind, int entryBytes)
    {
        if (Crc32C.Compute(page[NumberAt..]) != BinaryPrimitives.ReadUInt32LittleEndian(page)) return "a page of the index does not verify";
        if (BinaryPrimitives.ReadUInt32LittleEndian(page[NumberAt..]) != number || BinaryPrimitives.ReadUInt16LittleEndian(page[KindAt..]) != (ushort)kind)
            return "another page of the index stands here";
        return Count(page) is var count && (count == 0 || count > EntriesMax(entryBytes)) ? $"a page of the index says that it has {count} entries" : null;
    }
}
