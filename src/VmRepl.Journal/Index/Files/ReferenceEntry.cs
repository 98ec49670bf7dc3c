using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Journal.Segments;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Index.Files;

/// <summary>
/// A <see cref="RecordRef"/> in a page of references:
/// <code>
/// Offset  Size  Field
/// 0       8     number: sequence, sequence undone, or start of the range
/// 8       8     offset: first byte on the disk that the record names
/// 16      8     length: bytes on the disk that the record names
/// 24      8     serial of the segment
/// 32      4     where the record's encoded header begins in the segment
/// 36      4     bytes of the encoded header
/// 40      4     where its payload begins in the segment; 0 where it has none
/// 44      4     bytes of payload
/// 48      4     CRC-32C of the payload's first 4096 bytes; 0 where it has none
/// 52      1     kind of the record
/// 53      1     content: 0 stored bytes, 1 zeros, 2 a hole
/// 54      10    zero
/// total   64
/// </code>
/// </summary>
internal static class ReferenceEntry
{
    public const int Bytes = 64;
    public const int PerPage = (IndexLayout.PageBytes - IndexLayout.PageHeaderBytes) / Bytes;

    private const int OffsetAt = 8, LengthAt = 16, SerialAt = 24, HeaderOffsetAt = 32, HeaderLengthAt = 36, PayloadOffsetAt = 40, PayloadLengthAt = 44, ChecksumAt = 48, KindAt = 52, ContentAt = 53;

    /// <param name="entry">Cleared.</param>
    public static void Write(Span<byte> entry, in RecordRef reference)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(entry, reference.Number);
        BinaryPrimitives.WriteInt64LittleEndian(entry[OffsetAt..], reference.Offset);
        BinaryPrimitives.WriteInt64LittleEndian(entry[LengthAt..], reference.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[SerialAt..], reference.Serial);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[HeaderOffsetAt..], reference.HeaderOffset);
        BinaryPrimitives.WriteInt32LittleEndian(entry[HeaderLengthAt..], reference.HeaderLength);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[PayloadOffsetAt..], reference.PayloadOffset);
        BinaryPrimitives.WriteInt32LittleEndian(entry[PayloadLengthAt..], reference.PayloadLength);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[ChecksumAt..], reference.FirstChecksum);
        entry[KindAt] = (byte)reference.Kind;
        entry[ContentAt] = (byte)reference.Content;
    }

    public static ulong Number(ReadOnlySpan<byte> page, int index) => BinaryPrimitives.ReadUInt64LittleEndian(IndexPage.Entry(page, index, Bytes));

    public static RecordRef Read(ReadOnlySpan<byte> page, int index)
    {
        var entry = IndexPage.Entry(page, index, Bytes);
        return new RecordRef
        {
            Number = BinaryPrimitives.ReadUInt64LittleEndian(entry),
            Offset = BinaryPrimitives.ReadInt64LittleEndian(entry[OffsetAt..]),
            Length = BinaryPrimitives.ReadInt64LittleEndian(entry[LengthAt..]),
            Serial = BinaryPrimitives.ReadUInt64LittleEndian(entry[SerialAt..]),
            HeaderOffset = BinaryPrimitives.ReadUInt32LittleEndian(entry[HeaderOffsetAt..]),
            HeaderLength = BinaryPrimitives.ReadInt32LittleEndian(entry[HeaderLengthAt..]),
            PayloadOffset = BinaryPrimitives.ReadUInt32LittleEndian(entry[PayloadOffsetAt..]),
            PayloadLength = BinaryPrimitives.ReadInt32LittleEndian(entry[PayloadLengthAt..]),
            FirstChecksum = BinaryPrimitives.ReadUInt32LittleEndian(entry[ChecksumAt..]),
            Kind = (RecordKind)entry[KindAt],
            Content = (RecordContent)entry[ContentAt],
        };
    }

    /// <summary>Why the references of a page, whose checksum holds, cannot be what a writer wrote, or null.</summary>
    public static string? WhyNot(ReadOnlySpan<byte> page)
    {
        for (var i = 0; i < IndexPage.Count(page); i++)
        {
            if (!CanBe(Read(page, i))) return $"reference {i} of the page cannot be: {Describe(Read(page, i))}";
        }

        return null;
    }

    /// <summary>For messages; the fields need not fit one another.</summary>
    public static string Describe(in RecordRef r) => $"{r.Kind} {r.Number} ({r.Length} bytes at {r.Offset}, in segment {r.Serial} at {r.HeaderOffset})";

    /// <summary>Whether the fields fit one another and a segment.</summary>
    public static bool CanBe(in RecordRef r) =>
        r.Kind is RecordKind.Write or RecordKind.Zero or RecordKind.Punch or RecordKind.Undo or RecordKind.HandDown && r.Content <= RecordContent.Damaged
        && r.Offset >= 0 && r.Length > 0 && r.Length <= long.MaxValue - r.Offset && Sectors.IsAligned(r.Offset, Sectors.Size) && Sectors.IsAligned(r.Length, Sectors.Size)
        && r.HeaderLength is >= 0 and <= RecordLimits.MaxEncodedHeaderBytes && r.HeaderOffset <= SegmentLayout.SegmentBytesMax
        && r.PayloadLength == (r.Content == RecordContent.Payload ? r.Length : 0) && r.PayloadLength <= RecordLimits.MaxPayloadBytes
        && r.PayloadOffset + (long)r.PayloadLength <= SegmentLayout.SegmentBytesMax;
}
