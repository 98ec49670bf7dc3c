using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Replication.Source.Tracking;

/// <summary>
/// The file of active segments of 4 MiB: sectors of 512 bytes, each with its own checksum, written in place and never torn. Little-endian. The first one is the header:
/// <code>
/// Offset Size Field
///   0      8   magic, "VMRACTIV"
///   8      4   version, 1
///  12      4   zero
///  16      8   length of the disk, bytes
///  24    484   zero
/// 508      4   CRC-32C of bytes 0 to 507
/// 512          total
/// </code>
/// The sectors 1, 2, … follow, each for 4032 segments:
/// <code>
///   0    504   a bit for each segment, the lowest first; 0 beyond the disk's end
/// 504      4   the sector's number
/// 508      4   CRC-32C of bytes 0 to 507
/// 512          total
/// </code>
/// </summary>
internal static class ActivityFile
{
    public const int SegmentBytes = 4 << 20;
    public const int SegmentsPerSector = 504 * 8;
    public const int SectorBytes = 512;

    private const int WordsPerSector = 504 / sizeof(ulong);
    private const int NumberOffset = 504, ChecksumOffset = 508;
    private const uint Version = 1;

    private static ReadOnlySpan<byte> Magic => "VMRACTIV"u8;

    public static int SegmentCount(long diskLength) => (int)((diskLength + SegmentBytes - 1) / SegmentBytes);

    public static int SectorOf(int segment) => 1 + (segment / SegmentsPerSector);

    /// <summary>Words of 64 segments, whole sectors of them.</summary>
    public static int WordCount(long diskLength) => (SectorCount(diskLength) - 1) * WordsPerSector;

    /// <summary>The sectors of a file, the header's included.</summary>
    public static int SectorCount(long diskLength) => SectorOf(SegmentCount(diskLength) - 1) + 1;

    /// <summary>A sector's bytes.</summary>
    /// <param name="words">Of the whole disk.</param>
    public static byte[] Sector(int number, long diskLength, ReadOnlySpan<ulong> words)
    {
        var sector = new byte[SectorBytes];
        if (number == 0)
        {
            Magic.CopyTo(sector);
            BinaryPrimitives.WriteUInt32LittleEndian(sector.AsSpan(8), Version);
            BinaryPrimitives.WriteInt64LittleEndian(sector.AsSpan(16), diskLength);
        }
        else
        {
            for (var i = 0; i < WordsPerSector; i++) BinaryPrimitives.WriteUInt64LittleEndian(sector.AsSpan(i * sizeof(ulong)), words[((number - 1) * WordsPerSector) + i]);
            BinaryPrimitives.WriteInt32LittleEndian(sector.AsSpan(NumberOffset), number);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(sector.AsSpan(ChecksumOffset), Crc32C.Compute(sector.AsSpan(0, ChecksumOffset)));
        return sector;
    }

    /// <summary>The active segments that a file holds; null where it is not to be believed, with what is wrong.</summary>
    public static ulong[]? TryRead(IHostDirectory directory, string name, long diskLength, out string? wrong)
    {
        try
        {
            if (!directory.FileExists(name))
            {
                wrong = "it is missing";
                return null;
            }

            using var file = directory.Open(name, HostFileAccess.Read);
            return TryRead(file, diskLength, out wrong);
        }
        catch (IOException e)
        {
            wrong = $"it cannot be read: {e.Message}";
            return null;
        }
    }

    private static ulong[]? TryRead(IHostFile file, long diskLength, out string? wrong)
    {
        var sectorCount = SectorCount(diskLength);
        wrong = file.Length == (long)sectorCount * SectorBytes ? null : $"its length is {file.Length} and not {(long)sectorCount * SectorBytes}";
        if (wrong is not null) return null;
        var contents = new byte[sectorCount * SectorBytes];
        file.ReadExactly(0, contents);
        if (!contents.AsSpan(0, SectorBytes).SequenceEqual(Sector(0, diskLength, [])))
        {
            wrong = "its header is not that of this disk's activity log";
            return null;
        }

        var words = new ulong[WordCount(diskLength)];
        for (var number = 1; number < sectorCount; number++)
        {
            var sector = contents.AsSpan(number * SectorBytes, SectorBytes);
            if (BinaryPrimitives.ReadUInt32LittleEndian(sector[ChecksumOffset..]) != Crc32C.Compute(sector[..ChecksumOffset]) || BinaryPrimitives.ReadInt32LittleEndian(sector[NumberOffset..]) != number)
            {
                wrong = $"the checksum of its sector {number} is wrong";
                return null;
            }

            for (var i = 0; i < WordsPerSector; i++) words[((number - 1) * WordsPerSector) + i] = BinaryPrimitives.ReadUInt64LittleEndian(sector[(i * sizeof(ulong))..]);
        }

        for (var segment = SegmentCount(diskLength); segment < words.Length * 64; segment++)
        {
            if ((words[segment >> 6] >> (segment & 63) & 1) == 0) continue;
            wrong = "it has segments beyond the disk's end";
            return null;
        }

        return words;
    }
}
