using System.Buffers.Binary;
using System.Text;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Qcow2;

/// <summary>
/// Writes an empty version 3 image: clusters of 64 KiB (2 MiB for disks whose L1 table would pass its bound), refcounts of 16 bits.
/// <code>
/// Cluster  Contents
///       0  header, extensions
///       1  refcount table
///       2  first refcount block
///       3  L1 table, as many clusters as it needs
/// </code>
/// </summary>
internal static class Qcow2Creator
{
    private const int ClusterBitsUsual = 16, RefcountOrder = 4, L1Cluster = 3;

    private static readonly (byte Type, byte Bit, string Name)[] Features =
    [
        (0, 0, "dirty bit"), (0, 1, "corrupt bit"), (0, 2, "external data file"), (0, 3, "compression type"), (0, 4, "extended L2 entries"),
        (1, 0, "lazy refcounts"), (2, 0, "bitmaps"), (2, 1, "raw external data"),
    ];

    public static void Write(IHostFile file, long length)
    {
        if (!Sectors.IsAligned(length, Sectors.Size)) throw new ArgumentException($"{length} is no whole number of sectors", nameof(length));
        var clusterBits = ClusterBitsUsual;
        while (L1EntriesFor(length, clusterBits) > Qcow2Layout.L1BytesMax / sizeof(ulong)) clusterBits++;
        if (clusterBits > Qcow2Layout.ClusterBitsMax) throw new NotSupportedException($"QCOW2 cannot hold {length} bytes");
        Write(file, length, clusterBits);
    }

    internal static void Write(IHostFile file, long length, int clusterBits)
    {
        var clusterSize = 1 << clusterBits;
        var l1Entries = (int)Math.Max(1, L1EntriesFor(length, clusterBits));
        var l1Clusters = (int)Sectors.AlignUp((long)l1Entries * sizeof(ulong), clusterSize) >> clusterBits;
        var clusters = L1Cluster + l1Clusters;
        if (clusters > clusterSize / 2) throw new NotSupportedException($"clusters of {clusterSize} bytes are too small for a disk of {length} bytes");
        var head = new byte[L1Cluster * clusterSize];
        WriteHeader(head, length, clusterBits, l1Entries);
        BinaryPrimitives.WriteUInt64BigEndian(head.AsSpan(clusterSize), 2UL * (ulong)clusterSize);
        for (var i = 0; i < clusters; i++) BinaryPrimitives.WriteUInt16BigEndian(head.AsSpan((2 * clusterSize) + (i * sizeof(ushort))), 1);
        file.Write(0, head);
        file.SetLength((long)clusters * clusterSize);
    }

    private static long L1EntriesFor(long length, int clusterBits) => ((length - 1) >> ((2 * clusterBits) - 3)) + 1;

    private static void WriteHeader(Span<byte> cluster, long length, int clusterBits, int l1Entries)
    {
        var clusterSize = 1L << clusterBits;
        BinaryPrimitives.WriteUInt32BigEndian(cluster, Qcow2Layout.Magic);
        BinaryPrimitives.WriteUInt32BigEndian(cluster[Qcow2Layout.VersionAt..], 3);
        BinaryPrimitives.WriteUInt32BigEndian(cluster[Qcow2Layout.ClusterBitsAt..], (uint)clusterBits);
        BinaryPrimitives.WriteInt64BigEndian(cluster[Qcow2Layout.SizeAt..], length);
        BinaryPrimitives.WriteInt32BigEndian(cluster[Qcow2Layout.L1SizeAt..], l1Entries);
        BinaryPrimitives.WriteInt64BigEndian(cluster[Qcow2Layout.L1OffsetAt..], L1Cluster * clusterSize);
        BinaryPrimitives.WriteInt64BigEndian(cluster[Qcow2Layout.RefcountTableOffsetAt..], clusterSize);
        BinaryPrimitives.WriteInt32BigEndian(cluster[Qcow2Layout.RefcountTableClustersAt..], 1);
        BinaryPrimitives.WriteInt32BigEndian(cluster[Qcow2Layout.RefcountOrderAt..], RefcountOrder);
        BinaryPrimitives.WriteInt32BigEndian(cluster[Qcow2Layout.HeaderLengthAt..], Qcow2Layout.HeaderBytes);
        const int entryBytes = 48;
        if (Qcow2Layout.HeaderBytes + 16 + (Features.Length * entryBytes) > cluster.Length / L1Cluster) return;
        var extension = cluster[Qcow2Layout.HeaderBytes..];
        BinaryPrimitives.WriteUInt32BigEndian(extension, Qcow2Layout.FeatureNamesExtension);
        BinaryPrimitives.WriteInt32BigEndian(extension[4..], Features.Length * entryBytes);
        for (var i = 0; i < Features.Length; i++)
        {
            var entry = extension.Slice(8 + (i * entryBytes), entryBytes);
            (entry[0], entry[1]) = (Features[i].Type, Features[i].Bit);
            Encoding.ASCII.GetBytes(Features[i].Name, entry[2..]);
        }
    }
}
