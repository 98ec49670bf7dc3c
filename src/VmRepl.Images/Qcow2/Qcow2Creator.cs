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

    /// <summary>Lays the image into an empty file.</summary>
    /// <param name="backing">What it is an overlay of, or null.</param>
    /// <exception cref="NotSupportedException">The format cannot hold a disk of that length, or the backing file's name is too long.</exception>
    public static void Write(IHostFile file, long length, ImageBacking? backing = null)
    {
        if (!Sectors.IsAligned(length, Sectors.Size)) throw new ArgumentException($"{length} is no whole number of sectors", nameof(length));
        var clusterBits = ClusterBitsUsual;
        while (L1EntriesFor(length, clusterBits) > Qcow2Layout.L1BytesMax / sizeof(ulong)) clusterBits++;
        if (clusterBits > Qcow2Layout.ClusterBitsMax) throw new NotSupportedException($"QCOW2 cannot hold {length} bytes");
        Write(file, length, clusterBits, backing);
    }

    internal static void Write(IHostFile file, long length, int clusterBits, ImageBacking? backing = null)
    {
        var clusterSize = 1 << clusterBits;
        var l1Entries = (int)Math.Max(1, L1EntriesFor(length, clusterBits));
        var l1Clusters = (int)Sectors.AlignUp((long)l1Entries * sizeof(ulong), clusterSize) >> clusterBits;
        var clusters = L1Cluster + l1Clusters;
        if (clusters > clusterSize / 2) throw new NotSupportedException($"clusters of {clusterSize} bytes are too small for a disk of {length} bytes");
        var head = new byte[L1Cluster * clusterSize];
        var end = WriteHeader(head, length, clusterBits, l1Entries, backing);
        if (backing is not null) WriteBackingName(head.AsSpan(0, clusterSize), end, backing.Name);
        BinaryPrimitives.WriteUInt64BigEndian(head.AsSpan(clusterSize), 2UL * (ulong)clusterSize);
        for (var i = 0; i < clusters; i++) BinaryPrimitives.WriteUInt16BigEndian(head.AsSpan((2 * clusterSize) + (i * sizeof(ushort))), 1);
        file.Write(0, head);
        file.SetLength((long)clusters * clusterSize);
    }

    private static long L1EntriesFor(long length, int clusterBits) => ((length - 1) >> ((2 * clusterBits) - 3)) + 1;

    /// <returns>The first byte behind the extensions that are there; the end-of-extensions entry, eight zero bytes, is still to follow.</returns>
    private static int WriteHeader(Span<byte> cluster, long length, int clusterBits, int l1Entries, ImageBacking? backing)
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
        var end = Qcow2Layout.HeaderBytes;
        if (backing is not null)
        {
            // The format is always said: a reader that had to guess it could be led astray by what a guest wrote into a raw disk.
            var name = Encoding.ASCII.GetBytes(backing.Format.QemuName());
            BinaryPrimitives.WriteUInt32BigEndian(cluster[end..], Qcow2Layout.BackingFormatExtension);
            BinaryPrimitives.WriteInt32BigEndian(cluster[(end + 4)..], name.Length);
            name.CopyTo(cluster[(end + 8)..]);
            end += 8 + (int)Sectors.AlignUp(name.Length, 8);
        }

        // An overlay in small clusters keeps the room for the backing file's name.
        var wanted = end + 16 + (Features.Length * entryBytes) + (backing is null ? 0 : Qcow2Layout.BackingNameMax);
        if (wanted > cluster.Length / L1Cluster) return end;
        var extension = cluster[end..];
        BinaryPrimitives.WriteUInt32BigEndian(extension, Qcow2Layout.FeatureNamesExtension);
        BinaryPrimitives.WriteInt32BigEndian(extension[4..], Features.Length * entryBytes);
        for (var i = 0; i < Features.Length; i++)
        {
            var entry = extension.Slice(8 + (i * entryBytes), entryBytes);
            (entry[0], entry[1]) = (Features[i].Type, Features[i].Bit);
            Encoding.ASCII.GetBytes(Features[i].Name, entry[2..]);
        }

        return end + 8 + (Features.Length * entryBytes);
    }

    /// <summary>The name stands behind the extensions, in the first cluster, at most 1023 bytes, without an end mark (header field backing_file_size).</summary>
    private static void WriteBackingName(Span<byte> cluster, int end, string name)
    {
        var bytes = Encoding.UTF8.GetBytes(name);
        var at = end + 8;
        if (bytes.Length is 0 or > Qcow2Layout.BackingNameMax || at + bytes.Length > cluster.Length)
            throw new NotSupportedException($"a backing file's name of {bytes.Length} bytes does not fit into a QCOW2 header: 1 to {Math.Min(Qcow2Layout.BackingNameMax, cluster.Length - at)} bytes do");
        bytes.CopyTo(cluster[at..]);
        BinaryPrimitives.WriteInt64BigEndian(cluster[Qcow2Layout.BackingOffsetAt..], at);
        BinaryPrimitives.WriteInt32BigEndian(cluster[Qcow2Layout.BackingSizeAt..], bytes.Length);
    }
}
