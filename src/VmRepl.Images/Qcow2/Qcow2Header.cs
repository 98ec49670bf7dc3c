using VmRepl.Blocks;

namespace VmRepl.Images.Qcow2;

/// <summary>A header that passed every check of <see cref="Qcow2HeaderReader"/> (specification, "Header"; the offsets are in <see cref="Qcow2Layout"/>).</summary>
internal sealed record Qcow2Header
{
    /// <summary>"version": 2 or 3.</summary>
    public required int Version { get; init; }

    /// <summary>"cluster_bits": binary logarithm of the cluster's bytes, 9 to 21; the specification asks for 9 at least, QEMU for 21 at most.</summary>
    public required int ClusterBits { get; init; }

    /// <summary>"size" as it stands: bytes of the disk, which need be no whole sector. A resize changes it, and the two that follow.</summary>
    public required long Size { get; set; }

    /// <summary>"l1_table_offset": where the active L1 table begins, a multiple of the cluster.</summary>
    public required long L1Offset { get; set; }

    /// <summary>"l1_size": entries that the file says the L1 table has; may exceed what <see cref="Size"/> needs.</summary>
    public required int L1Entries { get; set; }

    /// <summary>"refcount_table_offset": where the refcount table begins, a multiple of the cluster.</summary>
    public required long RefcountTableOffset { get; init; }

    /// <summary>"refcount_table_clusters": clusters that the refcount table takes.</summary>
    public required int RefcountTableClusters { get; init; }

    /// <summary>"nb_snapshots": entries of the snapshot table ("Snapshots").</summary>
    public required int SnapshotCount { get; init; }

    /// <summary>"snapshots_offset": where the snapshot table begins, a multiple of the cluster; means nothing without snapshots.</summary>
    public required long SnapshotsOffset { get; init; }

    /// <summary>"incompatible_features": an unknown bit forbids opening the image. 0 in version 2.</summary>
    public ulong Incompatible { get; init; }

    /// <summary>"compatible_features": an unknown bit may be passed over. 0 in version 2.</summary>
    public ulong Compatible { get; init; }

    /// <summary>"autoclear_features": a writer clears every bit whose feature it does not keep up. 0 in version 2.</summary>
    public ulong Autoclear { get; init; }

    /// <summary>"refcount_order": binary logarithm of a refcount's width in bits, at most 6; 4 in version 2.</summary>
    public int RefcountOrder { get; init; } = 4;

    /// <summary>"header_length": bytes of the header, where the extensions begin: 72 in version 2, else a multiple of 8 from 104 on.</summary>
    public required int HeaderLength { get; init; }

    /// <summary>"compression_type": how compressed clusters are stored; there in headers of more than 104 bytes.</summary>
    public Qcow2Compression Compression { get; init; }

    /// <summary>What follows the header ("Header extensions").</summary>
    public required Qcow2Extensions Extensions { get; init; }

    /// <summary>The name at "backing_file_offset", of "backing_file_size" bytes and without a NUL, in the header's cluster; null where the image has no backing file.</summary>
    public string? BackingFile { get; init; }

    /// <summary>Bytes of a cluster, the unit of everything in the file ("General").</summary>
    public int ClusterSize => 1 << ClusterBits;

    /// <summary>Incompatible feature bit 4 ("Extended L2 Entries").</summary>
    public bool HasExtendedL2 => (Incompatible & Qcow2Layout.ExtendedL2) != 0;

    /// <summary>Incompatible feature bit 2: data clusters are in another file, at the disk's own offsets ("External data file name").</summary>
    public bool HasExternalData => (Incompatible & Qcow2Layout.ExternalDataFile) != 0;

    /// <summary>Incompatible feature bit 1: some structure is corrupt, and the image must not be written.</summary>
    public bool IsCorrupt => (Incompatible & Qcow2Layout.Corrupt) != 0;

    /// <summary>Incompatible feature bit 0: refcounts may be stale, and have to be repaired before a write.</summary>
    public bool IsDirty => (Incompatible & Qcow2Layout.Dirty) != 0;

    /// <summary>64-bit words of one L2 entry: one, or two ("Extended L2 Entries").</summary>
    public int L2EntryWords => HasExtendedL2 ? 2 : 1;

    /// <summary>Entries of an L2 table, which has one cluster ("Cluster mapping").</summary>
    public int L2EntriesPerTable => ClusterSize / (sizeof(ulong) * L2EntryWords);

    /// <summary>Bytes of disk that one L2 table maps ("Cluster mapping").</summary>
    public long BytesPerL2 => (long)ClusterSize * L2EntriesPerTable;

    /// <summary>L1 entries that the disk's size needs ("Cluster mapping").</summary>
    public int L1EntriesNeeded => (int)((Size + BytesPerL2 - 1) / BytesPerL2);

    /// <summary>The disk as a guest sees it: whole sectors; QEMU too leaves a rest of less than one sector out.</summary>
    public long DiskLength => Sectors.AlignDown(Size, Sectors.Size);
}
