using System.Buffers.Binary;
using VmRepl.Blocks;

namespace VmRepl.Replication.Source.Tracking;

/// <summary>
/// The first page of a marks file. Little-endian.
/// <code>
/// Offset Size Field
///  0      8   magic, "VMRMARKS"
///  8      4   version, 1
/// 12      4   state: 1 running, 2 closed
/// 16      8   length of the disk, bytes
/// 24     16   boot id of the host, its bytes in the order in which it is written
/// 40      4   zero
/// 44      4   CRC-32C of bytes 0 to 43
/// 48      8   newest sequence known durable at the replica
/// 56      8   begin of the newest write, UTC ticks of 100 ns since year 1
/// 64      8   end of the write that ended last, the same
/// 72      8   time of the newest sequence known durable, microseconds since 1970, where the replica was in sync; 0 for none
/// 80   4016   zero
/// 4096        total
/// </code>
/// The fields behind the checksum are stored one by one while the log runs.
/// </summary>
internal readonly record struct MarksHeader(bool IsClosed, long DiskLength, Guid BootId)
{
    public const int DurableOffset = 48, BegunOffset = 56, EndedOffset = 64, DurableTimeOffset = 72;

    private const int VersionOffset = 8, StateOffset = 12, LengthOffset = 16, BootOffset = 24, ChecksumOffset = 44;
    private const uint Version = 1, Running = 1, Closed = 2;

    private static ReadOnlySpan<byte> Magic => "VMRMARKS"u8;

    /// <summary>The header in a page; null where it is none, with what is wrong.</summary>
    public static MarksHeader? TryRead(ReadOnlySpan<byte> page, out string? wrong)
    {
        var state = BinaryPrimitives.ReadUInt32LittleEndian(page[StateOffset..]);
        var version = BinaryPrimitives.ReadUInt32LittleEndian(page[VersionOffset..]);
        wrong = !page.StartsWith(Magic) ? "it does not begin as a marks file does"
            : version != Version ? $"version {version} is not known"
            : BinaryPrimitives.ReadUInt32LittleEndian(page[ChecksumOffset..]) != Crc32C.Compute(page[..ChecksumOffset]) ? "the header's checksum is wrong"
            : state is not (Running or Closed) ? $"there is no state {state}"
            : null;
        if (wrong is not null) return null;
        return new MarksHeader(state == Closed, BinaryPrimitives.ReadInt64LittleEndian(page[LengthOffset..]), new Guid(page.Slice(BootOffset, 16), bigEndian: true));
    }

    /// <summary>Everything up to the checksum; the rest stays.</summary>
    public void WriteTo(Span<byte> page)
    {
        Magic.CopyTo(page);
        BinaryPrimitives.WriteUInt32LittleEndian(page[VersionOffset..], Version);
        BinaryPrimitives.WriteUInt32LittleEndian(page[StateOffset..], IsClosed ? Closed : Running);
        BinaryPrimitives.WriteInt64LittleEndian(page[LengthOffset..], DiskLength);
        BootId.TryWriteBytes(page[BootOffset..], bigEndian: true, out _);
        page.Slice(BootOffset + 16, 4).Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(page[ChecksumOffset..], Crc32C.Compute(page[..ChecksumOffset]));
    }
}
