using System.Buffers.Binary;
using System.Globalization;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Qcow2;

/// <summary>Reads and checks the header cluster (specification, "Header" and "Feature name table"). Nothing past it is believed before this has passed.</summary>
internal sealed class Qcow2HeaderReader
{
    private readonly IHostFile file;
    private readonly byte[] cluster;

    private Qcow2HeaderReader(IHostFile file)
    {
        this.file = file;
        Span<byte> head = stackalloc byte[Qcow2Layout.HeaderBytesV2];
        file.ReadField(0, head, "header");
        if (BinaryPrimitives.ReadUInt32BigEndian(head) != Qcow2Layout.Magic) throw Mismatch(0, "magic", $"0x{Qcow2Layout.Magic:x8}", $"0x{BinaryPrimitives.ReadUInt32BigEndian(head):x8}");
        var version = BinaryPrimitives.ReadUInt32BigEndian(head[Qcow2Layout.VersionAt..]);
        if (version is not (2 or 3)) throw Mismatch(Qcow2Layout.VersionAt, "version", "2 or 3", version);
        var clusterBits = BinaryPrimitives.ReadUInt32BigEndian(head[Qcow2Layout.ClusterBitsAt..]);
        if (clusterBits is < Qcow2Layout.ClusterBitsMin or > Qcow2Layout.ClusterBitsMax)
            throw Mismatch(Qcow2Layout.ClusterBitsAt, "cluster_bits", $"{Qcow2Layout.ClusterBitsMin} to {Qcow2Layout.ClusterBitsMax}", clusterBits);
        cluster = new byte[Math.Min(1L << (int)clusterBits, file.Length)];
        file.ReadField(0, cluster, "header");
        if (version == 3 && cluster.Length < Qcow2Layout.HeaderBytesV3Min) throw Mismatch(0, "header", $"of at least {Qcow2Layout.HeaderBytesV3Min} bytes", $"cut: the file ends at {cluster.Length}");
    }

    private int ClusterBits => (int)U32(Qcow2Layout.ClusterBitsAt);

    /// <exception cref="ImageFormatException">A field is out of its bounds, or asks for something that is not supported.</exception>
    public static Qcow2Header Read(IHostFile file)
    {
        var reader = new Qcow2HeaderReader(file);
        var header = reader.Parse();
        reader.RequireKnownFeatures(header);
        reader.RequireTables(header);
        return header;
    }

    private Qcow2Header Parse()
    {
        var crypt = U32(Qcow2Layout.CryptAt);
        if (crypt != 0) throw Mismatch(Qcow2Layout.CryptAt, "crypt_method", "0, since encrypted images are not read", $"{crypt}: it is encrypted ({(crypt == 1 ? "AES" : crypt == 2 ? "LUKS" : "method " + crypt)})");
        var size = U64(Qcow2Layout.SizeAt);
        if (size > DiskImages.LengthMax) throw Mismatch(Qcow2Layout.SizeAt, "size", $"at most {DiskImages.LengthMax} bytes", $"{size}");
        var version = (int)U32(Qcow2Layout.VersionAt);
        var headerLength = version == 2 ? Qcow2Layout.HeaderBytesV2 : U32(Qcow2Layout.HeaderLengthAt);
        if (version == 3 && (headerLength < Qcow2Layout.HeaderBytesV3Min || headerLength > cluster.Length || headerLength % 8 != 0))
            throw Mismatch(Qcow2Layout.HeaderLengthAt, "header_length", $"a multiple of 8 from {Qcow2Layout.HeaderBytesV3Min} to the cluster's size", headerLength);
        var (backing, extensionsEnd) = BackingName((int)headerLength);
        var order = version == 2 ? 4 : U32(Qcow2Layout.RefcountOrderAt);
        if (order > Qcow2Layout.RefcountOrderMax) throw Mismatch(Qcow2Layout.RefcountOrderAt, "refcount_order", $"at most {Qcow2Layout.RefcountOrderMax}", order);
        return new Qcow2Header
        {
            Version = version,
            ClusterBits = ClusterBits,
            Size = (long)size,
            L1Offset = Offset(Qcow2Layout.L1OffsetAt, "l1_table_offset"),
            L1Entries = Count(Qcow2Layout.L1SizeAt, "l1_size", Qcow2Layout.L1BytesMax / sizeof(ulong)),
            RefcountTableOffset = Offset(Qcow2Layout.RefcountTableOffsetAt, "refcount_table_offset"),
            RefcountTableClusters = Count(Qcow2Layout.RefcountTableClustersAt, "refcount_table_clusters", Qcow2Layout.RefcountTableBytesMax >> ClusterBits),
            SnapshotCount = Count(Qcow2Layout.SnapshotCountAt, "nb_snapshots", Qcow2Layout.SnapshotsMax),
            SnapshotsOffset = U32(Qcow2Layout.SnapshotCountAt) == 0 ? 0 : Offset(Qcow2Layout.SnapshotsOffsetAt, "snapshots_offset"),
            Incompatible = version == 2 ? 0 : U64(Qcow2Layout.IncompatibleAt),
            Compatible = version == 2 ? 0 : U64(Qcow2Layout.CompatibleAt),
            Autoclear = version == 2 ? 0 : U64(Qcow2Layout.AutoclearAt),
            RefcountOrder = (int)order,
            HeaderLength = (int)headerLength,
            Compression = version == 3 && headerLength > Qcow2Layout.CompressionAt ? (Qcow2Compression)cluster[Qcow2Layout.CompressionAt] : Qcow2Compression.Deflate,
            Extensions = Qcow2Extensions.Parse(file.Path, cluster, (int)headerLength, extensionsEnd),
            BackingFile = backing,
        };
    }

    private (string? Name, int ExtensionsEnd) BackingName(int headerLength)
    {
        var offset = U64(Qcow2Layout.BackingOffsetAt);
        var length = U32(Qcow2Layout.BackingSizeAt);
        if (offset == 0) return (null, 1 << ClusterBits);
        if (length > Qcow2Layout.BackingNameMax) throw Mismatch(Qcow2Layout.BackingSizeAt, "backing_file_size", $"at most {Qcow2Layout.BackingNameMax}", length);
        if (offset < (ulong)headerLength || offset > (ulong)cluster.Length || length > cluster.Length - (int)offset)
            throw Mismatch(Qcow2Layout.BackingOffsetAt, "backing_file_offset", $"{headerLength} to {cluster.Length - Math.Min(length, cluster.Length)}, for a name of {length} bytes in the header cluster", $"{offset}");
        return (length == 0 ? null : Qcow2Extensions.Text(file.Path, cluster.AsSpan((int)offset, (int)length), (int)offset, "backing file name"), (int)offset);
    }

    private void RequireKnownFeatures(Qcow2Header header)
    {
        var unknown = header.Incompatible & ~Qcow2Layout.KnownIncompatible;
        if (unknown != 0)
        {
            var names = Enumerable.Range(0, 64).Where(bit => (unknown >> bit & 1) != 0)
                .Select(bit => header.Extensions.FeatureNames.TryGetValue(bit, out var name) ? $"\"{name}\"" : $"bit {bit}");
            throw Mismatch(Qcow2Layout.IncompatibleAt, "incompatible_features", $"none but 0x{Qcow2Layout.KnownIncompatible:x}", $"0x{header.Incompatible:x}: the image needs features that are not known, {string.Join(", ", names)}");
        }

        var hasType = (header.Incompatible & Qcow2Layout.CompressionType) != 0;
        if (hasType != (header.Compression != Qcow2Compression.Deflate) || !Enum.IsDefined(header.Compression))
            throw Mismatch(Qcow2Layout.CompressionAt, "compression_type", hasType ? "1, since incompatible feature bit 3 is set" : "0, since incompatible feature bit 3 is clear", $"{(int)header.Compression}");
        if (header.HasExtendedL2 && header.ClusterBits < Qcow2Layout.ExtendedClusterBitsMin)
            throw Mismatch(Qcow2Layout.ClusterBitsAt, "cluster_bits", $"at least {Qcow2Layout.ExtendedClusterBitsMin} for extended L2 entries", header.ClusterBits);
        var isRaw = (header.Autoclear & Qcow2Layout.RawExternal) != 0;
        if (isRaw && !header.HasExternalData)
            throw Mismatch(Qcow2Layout.AutoclearAt, "autoclear_features", "without bit 1 (raw external data) in an image that has no external data file", $"0x{header.Autoclear:x}");
        if (isRaw && header.BackingFile is not null)
            throw Mismatch(Qcow2Layout.AutoclearAt, "autoclear_features", "without bit 1 (raw external data) in an image with a backing file", $"0x{header.Autoclear:x}");
        if (header.HasExternalData && header.SnapshotCount > 0)
            throw Mismatch(Qcow2Layout.SnapshotCountAt, "nb_snapshots", "0 in an image with an external data file", header.SnapshotCount);
        if (header.HasExternalData && string.IsNullOrEmpty(header.Extensions.DataFile))
            throw Mismatch(Qcow2Layout.IncompatibleAt, "data file name", "there, since the image keeps its data in another file", "missing");
    }

    private void RequireTables(Qcow2Header header)
    {
        var needed = (header.Size + header.BytesPerL2 - 1) / header.BytesPerL2;
        if (header.L1Entries < needed) throw Mismatch(Qcow2Layout.L1SizeAt, "l1_size", $"at least {needed} entries for {header.Size} bytes", header.L1Entries);
        RequireTable(header.L1Offset, (long)header.L1Entries * sizeof(ulong), Qcow2Layout.L1OffsetAt, "l1_table_offset");
        if (header.RefcountTableClusters == 0) throw Mismatch(Qcow2Layout.RefcountTableClustersAt, "refcount_table_clusters", "above 0", 0);
        RequireTable(header.RefcountTableOffset, (long)header.RefcountTableClusters << header.ClusterBits, Qcow2Layout.RefcountTableOffsetAt, "refcount_table_offset");
        if (header.SnapshotCount > 0) RequireTable(header.SnapshotsOffset, 0, Qcow2Layout.SnapshotsOffsetAt, "snapshots_offset");
    }

    private void RequireTable(long offset, long length, int at, string field)
    {
        if (length > 0 && offset == 0) throw Mismatch(at, field, "behind the header", 0);
        if (!Sectors.IsAligned(offset, 1L << ClusterBits)) throw Mismatch(at, field, $"a multiple of {1L << ClusterBits}, the cluster's size", offset);
        if (offset > file.Length || length > file.Length - offset) throw Mismatch(at, field, $"followed by {length} bytes before the file's end at {file.Length}", offset);
    }

    private long Offset(int at, string field)
    {
        var value = U64(at);
        return value <= long.MaxValue ? (long)value : throw Mismatch(at, field, $"at most {long.MaxValue}", $"{value}");
    }

    private int Count(int at, string field, int max)
    {
        var value = U32(at);
        return value <= max ? (int)value : throw Mismatch(at, field, $"at most {max}", value);
    }

    private uint U32(int at) => BinaryPrimitives.ReadUInt32BigEndian(cluster.AsSpan(at));

    private ulong U64(int at) => BinaryPrimitives.ReadUInt64BigEndian(cluster.AsSpan(at));

    private ImageFormatException Mismatch(int at, string field, string expected, long found) => Mismatch(at, field, expected, found.ToString(CultureInfo.InvariantCulture));

    private ImageFormatException Mismatch(int at, string field, string expected, string found) => ImageFormatException.Mismatch(file.Path, at, field, expected, found);
}
