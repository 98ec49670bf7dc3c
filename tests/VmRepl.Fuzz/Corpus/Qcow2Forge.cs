using System.Buffers.Binary;
using System.Text;

namespace VmRepl.Fuzz.Corpus;

/// <summary>
/// Writes QCOW2 images of version 3 that neither our writer makes nor the samples have: clusters and refcounts of any width, an external data file, extended L2 entries, preallocated and zero clusters.
/// By the specification, and with no line of the product.
/// </summary>
internal sealed class Qcow2Forge
{
    public required int ClusterBits { get; init; }

    public int RefcountOrder { get; init; } = 4;

    public long Size { get; init; } = 256 << 10;

    /// <summary>The external data file's name; null where the image has its data itself.</summary>
    public string? DataFile { get; init; }

    public bool IsExtended { get; init; }

    private int ClusterSize => 1 << ClusterBits;

    private int EntryBytes => IsExtended ? 16 : 8;

    /// <summary>Every third cluster has data, some are zeros, the others nothing.</summary>
    public byte[] Make(int seed)
    {
        var clusters = (int)((Size + ClusterSize - 1) / ClusterSize);
        var perTable = ClusterSize / EntryBytes;
        var tables = (clusters + perTable - 1) / perTable;
        var l1Clusters = Clusters(tables * 8L);
        var stored = DataFile is null ? Enumerable.Range(0, clusters).Count(c => c % 3 == 0) : 0;
        var used = 1 + 1 + l1Clusters + tables + stored;
        var perBlock = ClusterSize * 8 >> RefcountOrder;
        // One refcount table of one cluster; blocks count themselves.
        var blocks = 1;
        while (blocks * perBlock < used + blocks) blocks++;
        var (tableAt, l1At) = (1 + blocks, 2 + blocks);
        var l2At = l1At + l1Clusters;
        var data = l2At + tables;
        var total = data + stored;
        var file = new byte[(long)total * ClusterSize];
        Header(file, tableAt, l1At, tables);
        for (var i = 0; i < blocks; i++) Put64(file, ((long)tableAt * ClusterSize) + (i * 8), (ulong)(1 + i) * (ulong)ClusterSize);
        for (var i = 0; i < total; i++) Count(file, i, perBlock);
        var random = new Random(seed);
        for (var i = 0; i < tables; i++) Put64(file, ((long)l1At * ClusterSize) + (i * 8), 1UL << 63 | (ulong)(l2At + i) * (ulong)ClusterSize);
        for (var c = 0; c < clusters; c++)
        {
            var at = ((l2At + (c / perTable)) * (long)ClusterSize) + (c % perTable * EntryBytes);
            if (c % 3 == 0)
            {
                var host = DataFile is null ? (long)data++ * ClusterSize : (long)c * ClusterSize;
                Put64(file, at, 1UL << 63 | (ulong)host);
                if (IsExtended) Put64(file, at + 8, c % 2 == 0 ? 0xFFFF_FFFFUL : 0xFF00_0000_0000_FFFFUL);
                if (DataFile is null) random.NextBytes(file.AsSpan((int)host, ClusterSize));
            }
            else if (c % 7 == 1)
            {
                Put64(file, IsExtended ? at + 8 : at, IsExtended ? 0xFFFF_FFFF_0000_0000UL : 1);
            }
        }

        return file;
    }

    private void Header(byte[] file, int tableAt, int l1At, int tables)
    {
        "QFI\xfb"u8[..3].CopyTo(file);
        file[3] = 0xFB;
        Put32(file, 4, 3);
        Put32(file, 20, (uint)ClusterBits);
        Put64(file, 24, (ulong)Size);
        Put32(file, 36, (uint)tables);
        Put64(file, 40, (ulong)l1At * (ulong)ClusterSize);
        Put64(file, 48, (ulong)tableAt * (ulong)ClusterSize);
        Put32(file, 56, 1);
        Put64(file, 72, (DataFile is null ? 0UL : 4) | (IsExtended ? 16UL : 0));
        Put32(file, 96, (uint)RefcountOrder);
        Put32(file, 100, 112);
        if (DataFile is null) return;
        Put32(file, 112, 0x44415441);
        Put32(file, 116, (uint)DataFile.Length);
        Encoding.ASCII.GetBytes(DataFile).CopyTo(file, 120);
    }

    private void Count(byte[] file, int cluster, int perBlock)
    {
        var (block, index) = (1 + (cluster / perBlock), cluster % perBlock);
        var bit = (long)index << RefcountOrder;
        var at = ((long)block * ClusterSize) + (bit / 8);
        if (RefcountOrder < 3) file[at] |= (byte)(1 << (int)(bit % 8));
        else file[at + (1 << RefcountOrder) / 8 - 1] = 1;
    }

    private int Clusters(long bytes) => (int)((bytes + ClusterSize - 1) / ClusterSize);

    private static void Put32(byte[] file, long at, uint value) => BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan((int)at), value);

    private static void Put64(byte[] file, long at, ulong value) => BinaryPrimitives.WriteUInt64BigEndian(file.AsSpan((int)at), value);
}
