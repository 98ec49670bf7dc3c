using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>
/// An seSparse extent, as QEMU's reader (block/vmdk.c, get_cluster_offset) has it: 64-bit directory entries that number grain tables, 64-bit table entries that number grains
/// of 4 KiB. Only read.
/// </summary>
internal sealed class SeSparseExtent : GrainExtent
{
    private const int TableBytes = SeSparseHeader.TableSectors * VmdkLayout.SectorBytes, KindShift = 60;

    /// <summary>A directory entry: 0, or this in the upper half and the table's number in the lower.</summary>
    private const ulong TablePresent = 0x1000_0000;

    private readonly IHostFile file;
    private readonly SeSparseHeader header;
    private readonly TableCache directory;
    private readonly TableCache tables;

    /// <param name="file">The extent's file; not owned.</param>
    /// <param name="header">Checked.</param>
    /// <param name="start">Where the extent begins in the disk.</param>
    /// <param name="length">Bytes of the disk that it holds; at most the header's capacity.</param>
    /// <param name="parent">What is behind a delta; not owned.</param>
    /// <param name="memory">The chain's.</param>
    public SeSparseExtent(IHostFile file, SeSparseHeader header, long start, long length, VmdkImage? parent, TableMemory memory)
        : base(file, start, length, SeSparseHeader.GrainSectors * VmdkLayout.SectorBytes, parent)
    {
        this.file = file;
        this.header = header;
        directory = new TableCache(file, memory, VmdkLayout.SectorBytes);
        tables = new TableCache(file, memory, TableBytes);
    }

    public override void Write(long offset, ReadOnlySpan<byte> data) => throw ReadOnly();

    public override void Punch(long offset, long length) => throw ReadOnly();

    public override void Flush()
    {
    }

    protected override GrainRun Locate(long grain)
    {
        var (number, index) = Math.DivRem(grain, SeSparseHeader.TableEntries);
        var place = DirectoryEntry(number);
        if (place == 0) return new GrainRun(BlockState.Unallocated, -1, SeSparseHeader.TableEntries - index);
        var table = Table(number, place);
        var entry = BinaryPrimitives.ReadUInt64LittleEndian(tables.At(table).AsSpan((int)index * sizeof(ulong)));
        return (entry >> KindShift) switch
        {
            0 when entry == 0 => new GrainRun(BlockState.Unallocated),
            // Unmapped by the guest, and zeros.
            1 or 2 => new GrainRun(BlockState.Zero),
            3 => new GrainRun(BlockState.Data, Place(grain, entry, table + (index * sizeof(ulong)))),
            _ => throw ImageFormatException.Mismatch(file.Path, table + (index * sizeof(ulong)), "grain table entry", "of a kind from 0 to 3", $"0x{entry:x16} for grain {grain}"),
        };
    }

    /// <summary>The directory a sector at a time: of a disk of 64 TiB it has 32 MiB.</summary>
    private ulong DirectoryEntry(long number)
    {
        const int inSector = VmdkLayout.SectorBytes / sizeof(ulong);
        var sector = directory.At((header.DirectorySector + (number / inSector)) * VmdkLayout.SectorBytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(sector.AsSpan((int)(number % inSector) * sizeof(ulong)));
    }

    private long Table(long number, ulong entry)
    {
        var sector = header.TablesSector + ((long)(uint)entry * SeSparseHeader.TableSectors);
        var at = sector * VmdkLayout.SectorBytes;
        return entry >> 32 == TablePresent && at <= file.Length - TableBytes
            ? at
            : throw ImageFormatException.Mismatch(file.Path, (header.DirectorySector * VmdkLayout.SectorBytes) + (number * sizeof(ulong)), "grain directory entry",
                $"0, or a grain table before the file's end at {file.Length}", $"0x{entry:x16} in entry {number}");
    }

    /// <summary>The grain's number has its low 12 bits in bits 48 to 59 of the entry, the others in bits 0 to 47.</summary>
    private long Place(long grain, ulong entry, long at)
    {
        var number = ((entry >> 48) & 0xFFF) | ((entry & 0xFFFF_FFFF_FFFF) << 12);
        var grains = (ulong)(file.Length - (header.GrainsSector * VmdkLayout.SectorBytes)) / (ulong)GrainBytes;
        var place = number <= grains ? ((header.GrainsSector + ((long)number * SeSparseHeader.GrainSectors)) * VmdkLayout.SectorBytes) : long.MaxValue;
        return place <= file.Length - GrainLength(grain)
            ? place
            : throw ImageFormatException.Mismatch(file.Path, at, "grain table entry", $"the place of a grain before the file's end at {file.Length}", $"0x{entry:x16} for grain {grain}, grain {number} of the file");
    }

    private NotSupportedException ReadOnly() => new($"{file.Path} is an seSparse extent, which is only read");
}
