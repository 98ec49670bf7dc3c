using VmRepl.Blocks;

namespace VmRepl.Images.Qcow2;

/// <summary>A header that passed every check of <see cref="Qcow2HeaderReader"/> (specification, "Header"; the offsets are in <see cref="Qcow2Layout"/>).</summary>
internal sealed record Qcow2Header
{
    public required int Version { get; init; }

    public required int ClusterBits { get; init; }

    /// <summary>The size field as it stands, bytes. A resize changes it, and the two that follow.</summary>
    public required long Size { get; set; }

    public required long L1Offset { get; set; }

    /// <summary>Entries that the file says the table has; may exceed what <see cref="Size"/> needs.</summary>
    public required int L1Entries { get; set; }

    public required long RefcountTableOffset { get; init; }

    public required int RefcountTableClusters { get; init; }

    public required int SnapshotCount { get; init; }

    public required long SnapshotsOffset { get; init; }

    public ulong Incompatible { get; init; }

    public ulong Compatible { get; init; }

    public ulong Autoclear { get; init; }

    /// <summary>Binary logarithm of a refcount's width in bits.</summary>
    public int RefcountOrder { get; init; } = 4;

    public required int HeaderLength { get; init; }

    public Qcow2Compression Compression { get; init; }

    public required Qcow2Extensions Extensions { get; init; }

    public string? BackingFile { get; init; }

    public int ClusterSize => 1 << ClusterBits;

    public bool HasExtendedL2 => (Incompatible & Qcow2Layout.ExtendedL2) != 0;

    public bool HasExternalData => (Incompatible & Qcow2Layout.ExternalDataFile) != 0;

    public bool IsCorrupt => (Incompatible & Qcow2Layout.Corrupt) != 0;

    public bool IsDirty => (Incompatible & Qcow2Layout.Dirty) != 0;

    /// <summary>64-bit words of one L2 entry.</summary>
    public int L2EntryWords => HasExtendedL2 ? 2 : 1;

    public int L2EntriesPerTable => ClusterSize / (sizeof(ulong) * L2EntryWords);

    /// <summary>Bytes of disk that one L2 table maps.</summary>
    public long BytesPerL2 => (long)ClusterSize * L2EntriesPerTable;

    /// <summary>L1 entries that the disk's size needs.</summary>
    public int L1EntriesNeeded => (int)((Size + BytesPerL2 - 1) / BytesPerL2);

    /// <summary>The disk as a guest sees it: whole sectors; QEMU too leaves a rest of less than one sector out.</summary>
    public long DiskLength => Sectors.AlignDown(Size, Sectors.Size);
}
