using VmRepl.Journal.Segments;
using VmRepl.Protocol;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Journal.Index.Files;

/// <summary>What an index file says about a segment that it covers wholly or up to a commit: enough to go on behind that commit without reading what comes before.</summary>
/// <param name="Header">The segment's header.</param>
/// <param name="Commits">Commits covered, counted from the segment's first.</param>
/// <param name="RecordsEnd">Byte behind the last of them, on its boundary.</param>
/// <param name="PayloadStart">Where the payload area begins after them.</param>
/// <param name="LastChecksum">Checksum of the last of them; of the last commit before the segment where there is none.</param>
/// <param name="LastSequence">Newest sequence of the stream up to there.</param>
/// <param name="LastTimeUs">Source time of that record, microseconds since 1970.</param>
/// <param name="Incarnation">That of the last commit covered.</param>
internal sealed record CoveredSegment(
    SegmentHeader Header, uint Commits, long RecordsEnd, long PayloadStart, uint LastChecksum, ulong LastSequence, long LastTimeUs, ulong Incarnation)
{
    /// <summary>The least bytes of one in a file.</summary>
    public const int BytesMin = 1 + Fields;

    private const int Fields = 12;

    public ulong Serial => Header.Serial;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteArrayHeader(Fields);
        writer.WriteUInt64(Header.Serial);
        writer.WriteUInt64(Header.Nonce);
        writer.WriteInt64(Header.SegmentBytes);
        writer.WriteInt64(Header.CreatedUs);
        writer.WriteUInt32(Header.Previous);
        writer.WriteUInt32(Commits);
        writer.WriteInt64(RecordsEnd);
        writer.WriteInt64(PayloadStart);
        writer.WriteUInt32(LastChecksum);
        writer.WriteUInt64(LastSequence);
        writer.WriteInt64(LastTimeUs);
        writer.WriteUInt64(Incarnation);
    }

    /// <exception cref="ProtocolException">The bytes are no such entry, or one that no segment can have.</exception>
    public static CoveredSegment Read(ref MessagePackReader reader)
    {
        var fields = reader.ReadArrayHeader("segment");
        var header = new SegmentHeader(reader.ReadUInt64("serial"), reader.ReadUInt64("nonce"), reader.ReadInt64("segmentBytes"), reader.ReadInt64("createdUs"), reader.ReadUInt32("previous"));
        var segment = new CoveredSegment(header, reader.ReadUInt32("commits"), reader.ReadInt64("recordsEnd"), reader.ReadInt64("payloadStart"),
            reader.ReadUInt32("lastChecksum"), reader.ReadUInt64("lastSequence"), reader.ReadInt64("lastTimeUs"), reader.ReadUInt64("incarnation"));
        for (var i = Fields; i < fields; i++) reader.Skip();
        if (header.SegmentBytes is < SegmentLayout.SegmentBytesMin or > SegmentLayout.SegmentBytesMax) throw reader.Wrong("segmentBytes", "the size of a segment", $"{header.SegmentBytes}");
        if (segment.RecordsEnd < SegmentLayout.HeaderBytes || segment.PayloadStart < segment.RecordsEnd || header.SegmentBytes < segment.PayloadStart)
            throw reader.Wrong("recordsEnd", $"{SegmentLayout.HeaderBytes} ≤ recordsEnd ≤ payloadStart ≤ {header.SegmentBytes}", $"{segment.RecordsEnd}, {segment.PayloadStart}");
        return segment;
    }
}
