using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>
/// The two headers of an seSparse extent. VMware has not published the format: fields and rules are those of QEMU's reader (block/vmdk.c, VMDKSESparseConstHeader and
/// VMDKSESparseVolatileHeader), as strict as there, so that what nobody has described is refused and not guessed.
/// <code>
/// Offset Size Field of the constant header          Offset Size Field
///      0    8 magic, 0xcafebabe                        96    8 journal header and its size
///      8    8 version, 0x200000001                    112   16 journal and its size
///     16    8 capacity                                128   16 grain directory and its size
///     24    8 grain size, 8                           144   16 grain tables and their size
///     32    8 grain table size, 64                    160   16 free bitmap and its size
///     40    8 flags, 0                                176   16 backmap and its size
///     48   32 reserved, 0                             192   16 grains and their size
///     80   16 volatile header and its size            208  304 padding, 0
///                                                     512      total; sizes and places in sectors
///
/// Offset Size Field of the volatile header
///      0    8 magic, 0xcafecafe
///      8    8 free grain table
///     16    8 next transaction
///     24    8 replay_journal: not 0, the journal has to be replayed
///     32  480 padding, 0
///    512      total
/// </code>
/// </summary>
internal sealed record SeSparseHeader(long CapacitySectors, long DirectorySector, long TablesSector, long GrainsSector)
{
    public const ulong Magic = 0xCAFEBABE;
    public const int GrainSectors = 8;
    public const int TableSectors = 64;
    public const int TableEntries = TableSectors * VmdkLayout.SectorBytes / sizeof(ulong);

    private const ulong Version = 0x2_0000_0001, VolatileMagic = 0xCAFECAFE;
    private const int ReservedAt = 48, ReservedBytes = 32, PaddingAt = 208, VolatilePaddingAt = 32;

    /// <summary>64 TiB, VMware's own limit.</summary>
    private const long CapacityMax = (64L << 40) / VmdkLayout.SectorBytes;

    /// <summary>Reads and checks both headers.</summary>
    /// <exception cref="ImageFormatException">A field is out of its bounds, or the extent was not closed and its journal would have to be replayed.</exception>
    public static SeSparseHeader Read(IHostFile file, byte[] head)
    {
        if (U64(head, 0) != Magic) throw Mismatch(0, "magic", $"0x{Magic:x} (seSparse)", $"0x{U64(head, 0):x}");
        if (U64(head, 8) != Version) throw Mismatch(8, "version", $"0x{Version:x}", $"0x{U64(head, 8):x}");
        var capacity = U64(head, 16);
        if (capacity is 0 or > CapacityMax) throw Mismatch(16, "capacity", $"1 to {CapacityMax} sectors", $"{capacity}");
        if (U64(head, 24) != GrainSectors) throw Mismatch(24, "grainSize", $"{GrainSectors} sectors", $"{U64(head, 24)}");
        if (U64(head, 32) != TableSectors) throw Mismatch(32, "grainTableSize", $"{TableSectors} sectors", $"{U64(head, 32)}");
        if (U64(head, 40) != 0) throw Mismatch(40, "flags", "0", $"0x{U64(head, 40):x}");
        if (head.AsSpan(ReservedAt, ReservedBytes).ContainsAnyExcept((byte)0)) throw Mismatch(ReservedAt, "reserved", "zeros", "something else");
        if (head.AsSpan(PaddingAt).ContainsAnyExcept((byte)0)) throw Mismatch(PaddingAt, "padding", "zeros", "something else");
        CheckVolatile(file, Place(80, "volatileHeader", 1));
        var needed = ((long)capacity + (GrainSectors * TableEntries) - 1) / (GrainSectors * TableEntries);
        var directorySectors = Sectors.AlignUp(needed * sizeof(ulong), VmdkLayout.SectorBytes) / VmdkLayout.SectorBytes;
        if (U64(head, 136) < (ulong)directorySectors) throw Mismatch(136, "grainDirectorySize", $"at least {directorySectors} sectors", $"{U64(head, 136)}");
        return new SeSparseHeader((long)capacity, Place(128, "grainDirectory", directorySectors), Place(144, "grainTables", 0), Place(192, "grains", 0));

        long Place(int field, string name, long sectors)
        {
            var sector = U64(head, field);
            return sector > 0 && sector <= (ulong)(file.Length / VmdkLayout.SectorBytes) && sectors <= (file.Length / VmdkLayout.SectorBytes) - (long)sector
                ? (long)sector
                : throw Mismatch(field, name, $"a sector behind the header, and inside the file of {file.Length} bytes", $"{sector}");
        }

        ImageFormatException Mismatch(int field, string name, string expected, string found) => ImageFormatException.Mismatch(file.Path, field, name, expected, found);
    }

    private static void CheckVolatile(IHostFile file, long sector)
    {
        var at = sector * VmdkLayout.SectorBytes;
        var bytes = new byte[VmdkLayout.SectorBytes];
        if (file.Read(at, bytes) < bytes.Length) throw Mismatch(0, "header", $"of {bytes.Length} bytes", "cut by the file's end");
        if (U64(bytes, 0) != VolatileMagic) throw Mismatch(0, "magic", $"0x{VolatileMagic:x}", $"0x{U64(bytes, 0):x}");
        if (U64(bytes, 24) != 0) throw Mismatch(24, "replay_journal", "0, since how the journal is replayed is not public", $"{U64(bytes, 24)}: the extent was not closed");
        if (bytes.AsSpan(VolatilePaddingAt).ContainsAnyExcept((byte)0)) throw Mismatch(VolatilePaddingAt, "padding", "zeros", "something else");

        ImageFormatException Mismatch(int field, string name, string expected, string found) => ImageFormatException.Mismatch(file.Path, at + field, $"volatile header {name}", expected, found);
    }

    private static ulong U64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);
}
