using System.Buffers.Binary;

namespace VmRepl.Images.Vmdk;

/// <summary>
/// The header of an ESX server sparse extent (Virtual Disk Format 5.0, "ESX Server Sparse Extent", COWDisk_Header).
/// <code>
/// Offset Size Field
/// 0      4    "COWD"
/// 4      4    version, 1
/// 8      4    flags, 3
/// 12     4    capacity
/// 16     4    grain size; 1 is usual
/// 20     4    grain directory, 4 is usual
/// 24     4    entries of the directory
/// 28     4    next free sector
/// 32     2016 geometry or the parent's name, generation, name, description
/// 2048        total; sizes and places in sectors
/// </code>
/// </summary>
internal sealed record CowHeader(long CapacitySectors, int GrainSectors, long DirectorySector, long DirectoryEntries)
{
    /// <summary>A header ("ESX Server Sparse Extent", COWDisk_Header).</summary>
    public const int Bytes = 2048;

    /// <summary>Entries of a grain table, whatever the grain ("ESX Server Sparse Extent").</summary>
    public const int TableEntries = 4096;

    public int GrainBytes => GrainSectors * VmdkLayout.SectorBytes;

    /// <param name="path">For errors.</param>
    /// <param name="bytes">The first sector.</param>
    /// <param name="fileLength">Bytes of the file, which bound the directory.</param>
    /// <exception cref="ImageFormatException">A field is out of its bounds.</exception>
    public static CowHeader Parse(string path, ReadOnlySpan<byte> bytes, long fileLength)
    {
        if (!bytes.StartsWith(VmdkLayout.CowMagic)) throw Mismatch(0, "magic", "\"COWD\"", Convert.ToHexStringLower(bytes[..VmdkLayout.CowMagic.Length]));
        var version = U32(bytes, 4);
        if (version != 1) throw Mismatch(4, "version", "1", $"{version}");
        var capacity = U32(bytes, 12);
        if (capacity == 0) throw Mismatch(12, "capacity", "above 0", "0");
        var grain = U32(bytes, 16);
        if (grain is 0 or > VmdkLayout.GrainSectorsMax || !uint.IsPow2(grain)) throw Mismatch(16, "grainSize", $"a power of two from 1 to {VmdkLayout.GrainSectorsMax} sectors", $"{grain}");
        var perTable = (long)grain * TableEntries;
        var needed = (capacity + perTable - 1) / perTable;
        var (directory, entries) = (U32(bytes, 20), U32(bytes, 24));
        if (entries < needed) throw Mismatch(24, "numGDEntries", $"at least {needed} for {capacity} sectors", $"{entries}");
        if (directory < Bytes / VmdkLayout.SectorBytes || needed * sizeof(uint) > fileLength - ((long)directory * VmdkLayout.SectorBytes))
            throw ImageFormatException.Mismatch(path, 20, "gdOffset", $"a sector behind the header with {needed} entries before the file's end at {fileLength}", $"{directory}");
        return new CowHeader(capacity, (int)grain, directory, needed);

        ImageFormatException Mismatch(int field, string name, string expected, string found) => ImageFormatException.Mismatch(path, field, name, expected, found);
    }

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);
}
