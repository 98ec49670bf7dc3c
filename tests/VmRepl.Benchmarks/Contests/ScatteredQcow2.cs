using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmRepl.Benchmarks.Contests;

/// <summary>
/// A QCOW2 file whose every other cluster is there, in an order that follows none of the disk's, so that no two of them make one run of the map. Written as tables, from the specification: written through an image,
/// a million clusters all over a disk take longer than what is to be measured. <c>qemu-img check</c> finds nothing in it.
/// <code>
/// header | refcount table | L1 table | L2 tables | refcount blocks | data clusters, of which one sector each is written
/// </code>
/// </summary>
internal static class ScatteredQcow2
{
    private const int ClusterBits = 16, Cluster = 1 << ClusterBits, EntriesPerTable = Cluster / sizeof(ulong), CountsPerBlock = Cluster / sizeof(ushort);
    private const ulong Copied = 1UL << 63;

    /// <param name="path">A file that is not there yet.</param>
    /// <param name="clusters">Clusters with data; the disk has twice as many.</param>
    public static void Write(string path, int clusters)
    {
        var tables = Up(2 * clusters, EntriesPerTable);
        var (refcountTableAt, l1At, l2At) = (1, 2, 2 + Up(tables, EntriesPerTable));
        var blocksAt = l2At + tables;
        var blocks = Up(blocksAt + clusters + Up(blocksAt + clusters, CountsPerBlock) + 1, CountsPerBlock);
        var dataAt = blocksAt + blocks;
        using var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite);
        RandomAccess.SetLength(file, (long)(dataAt + clusters) * Cluster);
        RandomAccess.Write(file, Header(2L * clusters * Cluster, tables, l1At, refcountTableAt), 0);
        WriteNumbers(file, refcountTableAt, Enumerable.Range(blocksAt, blocks).Select(c => (ulong)c * Cluster));
        WriteNumbers(file, l1At, Enumerable.Range(l2At, tables).Select(c => Copied | ((ulong)c * Cluster)));
        var order = Enumerable.Range(0, clusters).ToArray();
        new Random(1).Shuffle(order);
        var l2 = new ulong[tables * EntriesPerTable];
        var sector = new byte[512];
        sector.AsSpan().Fill(1);
        for (var i = 0; i < clusters; i++)
        {
            var place = (long)(dataAt + i) * Cluster;
            l2[2 * order[i]] = Copied | (ulong)place;
            RandomAccess.Write(file, sector, place);
        }

        WriteNumbers(file, l2At, l2);
        var counts = new ushort[blocks * CountsPerBlock];
        // One reference each, as two bytes in big endian.
        counts.AsSpan(0, dataAt + clusters).Fill(BinaryPrimitives.ReverseEndianness((ushort)1));
        RandomAccess.Write(file, MemoryMarshal.AsBytes(counts.AsSpan()), (long)blocksAt * Cluster);
    }

    private static byte[] Header(long diskBytes, int l1Entries, int l1At, int refcountTableAt)
    {
        var header = new byte[104];
        "QFI"u8.CopyTo(header);
        header[3] = 0xFB;
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), 3);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(20), ClusterBits);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(24), diskBytes);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(36), l1Entries);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(40), (long)l1At * Cluster);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(48), (long)refcountTableAt * Cluster);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(56), 1);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(96), 4);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(100), header.Length);
        return header;
    }

    private static void WriteNumbers(SafeFileHandle file, int cluster, IEnumerable<ulong> numbers)
    {
        var bytes = MemoryMarshal.AsBytes(numbers.Select(BinaryPrimitives.ReverseEndianness).ToArray().AsSpan());
        RandomAccess.Write(file, bytes, (long)cluster * Cluster);
    }

    private static int Up(int count, int unit) => (count + unit - 1) / unit;
}
