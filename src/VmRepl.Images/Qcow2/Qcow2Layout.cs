namespace VmRepl.Images.Qcow2;

/// <summary>
/// The numbers of the QCOW2 specification (QEMU, docs/interop/qcow2.txt). Everything on disk is big endian.
/// <code>
/// Offset Size Field                     Offset Size Field
///      0    4 magic "QFI\xfb"               56    4 refcount_table_clusters
///      4    4 version (2, 3)                60    4 nb_snapshots
///      8    8 backing_file_offset           64    8 snapshots_offset
///     16    4 backing_file_size             72    8 incompatible_features (version 3 from here on)
///     20    4 cluster_bits                  80    8 compatible_features
///     24    8 size                          88    8 autoclear_features
///     32    4 crypt_method                  96    4 refcount_order
///     36    4 l1_size                      100    4 header_length
///     40    8 l1_table_offset              104    1 compression_type (7 bytes of padding follow)
///     48    8 refcount_table_offset        112      total
/// </code>
/// </summary>
internal static class Qcow2Layout
{
    /// <summary>"QFI\xfb" ("Header").</summary>
    public const uint Magic = 0x514649FB;

    /// <summary>Where the fields of the table above stand ("Header").</summary>
    public const int VersionAt = 4, BackingOffsetAt = 8, BackingSizeAt = 16, ClusterBitsAt = 20, SizeAt = 24, CryptAt = 32, L1SizeAt = 36, L1OffsetAt = 40,
        RefcountTableOffsetAt = 48, RefcountTableClustersAt = 56, SnapshotCountAt = 60, SnapshotsOffsetAt = 64, IncompatibleAt = 72, CompatibleAt = 80,
        AutoclearAt = 88, RefcountOrderAt = 96, HeaderLengthAt = 100, CompressionAt = 104;

    /// <summary>"header_length" of version 2, the least of version 3, and what is written here ("Header").</summary>
    public const int HeaderBytesV2 = 72, HeaderBytesV3Min = 104, HeaderBytes = 112;

    /// <summary>Bounds of "cluster_bits", without and with "Extended L2 Entries", and of "refcount_order" ("Header").</summary>
    public const int ClusterBitsMin = 9, ClusterBitsMax = 21, ExtendedClusterBitsMin = 14, RefcountOrderMax = 6;

    /// <summary>QEMU's own bounds; a larger table is refused before anything is allocated.</summary>
    public const int L1BytesMax = 32 << 20, RefcountTableBytesMax = 8 << 20, BackingNameMax = 1023, SnapshotsMax = 65536, BitmapsMax = 65535;

    /// <summary>Bits of "incompatible_features" ("Header").</summary>
    public const ulong Dirty = 1, Corrupt = 2, ExternalDataFile = 4, CompressionType = 8, ExtendedL2 = 16, KnownIncompatible = 31;

    /// <summary>Bit 0 of "compatible_features" ("Header").</summary>
    public const ulong LazyRefcounts = 1;

    /// <summary>Bits of "autoclear_features" ("Header"): bitmaps are up to date; the external data file is a raw disk by itself.</summary>
    public const ulong BitmapsConsistent = 1, RawExternal = 2;

    /// <summary>Types of "Header extensions".</summary>
    public const uint BackingFormatExtension = 0xE2792ACA, FeatureNamesExtension = 0x6803F857, BitmapsExtension = 0x23852875, LuksExtension = 0x0537BE77,
        DataFileExtension = 0x44415441;

    /// <summary>Bits 9 to 55 of an L1 or L2 entry: a place in the file ("L1 table entry", "Standard Cluster Descriptor").</summary>
    public const ulong OffsetMask = 0x00FF_FFFF_FFFF_FE00;

    /// <summary>Bit 63: the cluster's refcount is exactly one, so it may be written in place ("L1 table entry", "L2 table entry").</summary>
    public const ulong Copied = 1UL << 63;

    /// <summary>Bit 62 of an L2 entry: the rest is a "Compressed Clusters Descriptor" ("L2 table entry").</summary>
    public const ulong CompressedFlag = 1UL << 62;

    /// <summary>Bit 0 of an L2 entry of version 3 without extended L2: the cluster reads as zeros ("Standard Cluster Descriptor").</summary>
    public const ulong ZeroFlag = 1;

    /// <summary>Subclusters of a cluster, a bit each in both halves of the bitmap ("Extended L2 Entries").</summary>
    public const int SubclustersPerCluster = 32;
}
