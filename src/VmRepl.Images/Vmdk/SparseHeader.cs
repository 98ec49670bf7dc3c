using System.Buffers.Binary;

namespace VmRepl.Images.Vmdk;

/// <summary>
/// The header of a hosted sparse extent (Virtual Disk Format 5.0, "Hosted Sparse Extents", SparseExtentHeader).
/// <code>
/// Offset Size Field
/// 0      4    "KDMV"
/// 4      4    version, 1 to 3
/// 8      4    flags
/// 12     8    capacity
/// 20     8    grain size: a power of two from 8
/// 28     8    descriptor offset, 0: none embedded
/// 36     8    descriptor size
/// 44     4    grain table entries, 512
/// 48     8    redundant grain directory
/// 56     8    grain directory; all ones: the footer has it
/// 64     8    overhead: where the first grain may begin
/// 72     1    unclean shutdown
/// 73     4    "\n \r\n"
/// 77     2    compression: 0 none, 1 deflate
/// 79     433  zero
/// 512         total; sizes and places in sectors
/// </code>
/// </summary>
internal sealed record SparseHeader
{
    /// <summary>Where "uncleanShutdown" stands.</summary>
    public const int UncleanOffset = 72;
    private const ulong AtEnd = ulong.MaxValue;

    /// <summary>"version": 1 to 3; 2 is for "zeroed-grain GTE", 3 as 1 for a reader.</summary>
    public uint Version { get; init; } = 1;

    /// <summary>"flags".</summary>
    public SparseFlags Flags { get; init; }

    /// <summary>"capacity": sectors of the disk that the extent holds; need be no multiple of a grain.</summary>
    public required long CapacitySectors { get; init; }

    /// <summary>"grainSize": a power of two above 8, says the text, and means from 8 on: VMware's own least is 4 KiB.</summary>
    public required int GrainSectors { get; init; }

    /// <summary>"descriptorOffset": 0 where no descriptor is embedded ("Layout Basics").</summary>
    public long DescriptorSector { get; init; }

    /// <summary>"descriptorSize".</summary>
    public long DescriptorSectors { get; init; }

    /// <summary>"numGTEsPerGT": 512 ("Grain Table"); fewer are read.</summary>
    public int TableEntries { get; init; } = VmdkLayout.TableEntriesMax;

    /// <summary>"rgdOffset" ("Grain Directory"): counts only with <see cref="SparseFlags.Redundant"/>.</summary>
    public long RedundantDirectorySector { get; init; }

    /// <summary>"gdOffset" ("Grain Directory"): -1 where all bits are set, and the footer has it ("Stream-Optimized Compressed Sparse Extents").</summary>
    public long DirectorySector { get; init; }

    /// <summary>"overHead": sectors of header, descriptor and tables, behind which grains begin.</summary>
    public long OverheadSectors { get; init; }

    /// <summary>"uncleanShutdown".</summary>
    public bool IsUnclean { get; init; }

    /// <summary>"compressAlgorithm" is deflate (1) with this flag, and none (0) without it.</summary>
    public bool IsCompressed => Flags.HasFlag(SparseFlags.Compressed);

    public int GrainBytes => GrainSectors * VmdkLayout.SectorBytes;

    /// <summary>Grain tables, and so entries of the directory ("Grain Directory").</summary>
    public long Tables => (CapacitySectors + ((long)GrainSectors * TableEntries) - 1) / ((long)GrainSectors * TableEntries);

    /// <summary>Grains of the extent, the last of which may be cut.</summary>
    public long Grains => (CapacitySectors + GrainSectors - 1) / GrainSectors;

    /// <param name="path">For errors.</param>
    /// <param name="at">Where the header stands in the file.</param>
    /// <param name="bytes">Its 512 bytes.</param>
    /// <param name="fileLength">Bytes of the file, which bound everything.</param>
    /// <exception cref="ImageFormatException">A field is out of its bounds.</exception>
    public static SparseHeader Parse(string path, long at, ReadOnlySpan<byte> bytes, long fileLength)
    {
        if (!bytes.StartsWith(VmdkLayout.SparseMagic)) throw Mismatch(0, "magic", "\"KDMV\"", Convert.ToHexStringLower(bytes[..VmdkLayout.SparseMagic.Length]));
        var version = U32(bytes, 4);
        if (version is < 1 or > 3) throw Mismatch(4, "version", "1 to 3", $"{version}");
        var flags = (SparseFlags)U32(bytes, 8);
        if (flags.HasFlag(SparseFlags.NewlineTest) && !bytes.Slice(73, 4).SequenceEqual("\n \r\n"u8)) throw Mismatch(73, "newline bytes", "0a 20 0d 0a", $"{Convert.ToHexStringLower(bytes.Slice(73, 4))}: the file was sent as text");
        var capacity = U64(bytes, 12);
        if (capacity is 0 or > (ulong)(DiskImages.LengthMax / VmdkLayout.SectorBytes)) throw Mismatch(12, "capacity", $"1 to {DiskImages.LengthMax / VmdkLayout.SectorBytes} sectors", $"{capacity}");
        var grain = U64(bytes, 20);
        if (grain is < VmdkLayout.GrainSectorsMin or > VmdkLayout.GrainSectorsMax || !ulong.IsPow2(grain)) throw Mismatch(20, "grainSize", $"a power of two from {VmdkLayout.GrainSectorsMin} to {VmdkLayout.GrainSectorsMax} sectors", $"{grain}");
        var entries = U32(bytes, 44);
        if (entries is 0 or > VmdkLayout.TableEntriesMax) throw Mismatch(44, "numGTEsPerGT", $"1 to {VmdkLayout.TableEntriesMax}", $"{entries}");
        var compression = BinaryPrimitives.ReadUInt16LittleEndian(bytes[77..]);
        if (compression > 1 || (compression == 1) != flags.HasFlag(SparseFlags.Compressed)) throw Mismatch(77, "compressAlgorithm", $"{(flags.HasFlag(SparseFlags.Compressed) ? 1 : 0)}, as the flags say", $"{compression}");
        var directory = U64(bytes, 56);
        return new SparseHeader
        {
            Version = version,
            Flags = flags,
            CapacitySectors = (long)capacity,
            GrainSectors = (int)grain,
            DescriptorSector = Sector(bytes, 28, "descriptorOffset"),
            DescriptorSectors = Sector(bytes, 36, "descriptorSize"),
            TableEntries = (int)entries,
            RedundantDirectorySector = flags.HasFlag(SparseFlags.Redundant) ? (long)Math.Min(U64(bytes, 48), long.MaxValue / VmdkLayout.SectorBytes) : 0,
            DirectorySector = directory == AtEnd ? -1 : (long)Math.Min(directory, long.MaxValue / VmdkLayout.SectorBytes),
            OverheadSectors = Sector(bytes, 64, "overHead"),
            IsUnclean = bytes[UncleanOffset] != 0,
        };

        long Sector(ReadOnlySpan<byte> from, int field, string name)
        {
            var sector = U64(from, field);
            return sector <= (ulong)(fileLength / VmdkLayout.SectorBytes) ? (long)sector : throw Mismatch(field, name, $"a sector before the file's end at {fileLength}", $"{sector}");
        }

        ImageFormatException Mismatch(int field, string name, string expected, string found) => ImageFormatException.Mismatch(path, at + field, name, expected, found);
    }

    /// <summary>The 512 bytes of the header.</summary>
    public byte[] ToBytes()
    {
        var bytes = new byte[VmdkLayout.SectorBytes];
        VmdkLayout.SparseMagic.CopyTo(bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4), Version);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), (uint)Flags);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(12), CapacitySectors);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(20), GrainSectors);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(28), DescriptorSector);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(36), DescriptorSectors);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(44), TableEntries);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(48), RedundantDirectorySector);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(56), DirectorySector);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(64), OverheadSectors);
        bytes[UncleanOffset] = IsUnclean ? (byte)1 : (byte)0;
        "\n \r\n"u8.CopyTo(bytes.AsSpan(73));
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(77), IsCompressed ? (ushort)1 : (ushort)0);
        return bytes;
    }

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static ulong U64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);
}
