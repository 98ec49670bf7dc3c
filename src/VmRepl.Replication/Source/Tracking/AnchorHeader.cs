using System.Buffers.Binary;
using VmRepl.Blocks;

namespace VmRepl.Replication.Source.Tracking;

/// <summary>
/// The first page of an anchors file. Little-endian.
/// <code>
/// Offset Size Field
///  0      8   magic, "VMRANCHR"
///  8      4   version, 1
/// 12      4   number of intervals, 4
/// 16      8   length of the disk, bytes
/// 24     20   zero
/// 44      4   CRC-32C of bytes 0 to 43
/// 48      8   begin of the newest write that was noted, UTC ticks of 100 ns since year 1
/// 64    4x16  of each interval: 8 bytes its number, ascending, 0 for none; 8 bytes the sequence of its anchor, 0 for none
/// </code>
/// The fields behind the checksum are stored one by one while the log runs.
/// </summary>
internal static class AnchorHeader
{
    private const int VersionOffset = 8, CountOffset = 12, LengthOffset = 16, ChecksumOffset = 44, BegunOffset = 48, IntervalsOffset = 64, IntervalBytes = 16;
    private const uint Version = 1;

    private static ReadOnlySpan<byte> Magic => "VMRANCHR"u8;

    /// <summary>A header with one interval and no anchor.</summary>
    public static void Create(Span<byte> page, long diskLength)
    {
        page.Clear();
        SetInterval(page, 0, new Interval(1, 0));
        Magic.CopyTo(page);
        BinaryPrimitives.WriteUInt32LittleEndian(page[VersionOffset..], Version);
        BinaryPrimitives.WriteUInt32LittleEndian(page[CountOffset..], AnchorLog.IntervalCount);
        BinaryPrimitives.WriteInt64LittleEndian(page[LengthOffset..], diskLength);
        BinaryPrimitives.WriteUInt32LittleEndian(page[ChecksumOffset..], Crc32C.Compute(page[..ChecksumOffset]));
    }

    /// <summary>Whether it is one, of this disk, that has missed no write.</summary>
    public static bool IsIntact(ReadOnlySpan<byte> page, long diskLength, long begun) =>
        page.StartsWith(Magic)
        && BinaryPrimitives.ReadUInt32LittleEndian(page[ChecksumOffset..]) == Crc32C.Compute(page[..ChecksumOffset])
        && BinaryPrimitives.ReadUInt32LittleEndian(page[VersionOffset..]) == Version
        && BinaryPrimitives.ReadUInt32LittleEndian(page[CountOffset..]) == AnchorLog.IntervalCount
        && BinaryPrimitives.ReadInt64LittleEndian(page[LengthOffset..]) == diskLength
        && BinaryPrimitives.ReadInt64LittleEndian(page[BegunOffset..]) == begun
        && Get(page, Newest(page)).Number > 0;

    public static void SetBegun(Span<byte> page, long ticks) => BinaryPrimitives.WriteInt64LittleEndian(page[BegunOffset..], ticks);

    public static Interval Get(ReadOnlySpan<byte> page, int interval)
    {
        var at = page[(IntervalsOffset + (interval * IntervalBytes))..];
        return new Interval(BinaryPrimitives.ReadUInt64LittleEndian(at), BinaryPrimitives.ReadUInt64LittleEndian(at[8..]));
    }

    /// <summary>A process that is killed in between leaves an interval that is no anchor.</summary>
    public static void SetInterval(Span<byte> page, int interval, Interval value)
    {
        var at = page[(IntervalsOffset + (interval * IntervalBytes))..];
        BinaryPrimitives.WriteUInt64LittleEndian(at[8..], 0);
        Thread.MemoryBarrier();
        BinaryPrimitives.WriteUInt64LittleEndian(at, value.Number);
        Thread.MemoryBarrier();
        BinaryPrimitives.WriteUInt64LittleEndian(at[8..], value.Sequence);
    }

    /// <summary>The interval of the greatest number.</summary>
    public static int Newest(ReadOnlySpan<byte> page)
    {
        var newest = 0;
        for (var i = 1; i < AnchorLog.IntervalCount; i++)
        {
            if (Get(page, i).Number > Get(page, newest).Number) newest = i;
        }

        return newest;
    }

    /// <param name="Number">Ascending; 0 for none.</param>
    /// <param name="Sequence">Of its anchor; 0 while it is none.</param>
    public readonly record struct Interval(ulong Number, ulong Sequence);
}
