using VmRepl.Journal.Points;
using VmRepl.Journal.Segments;
using VmRepl.Protocol;
using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Index.Files;

/// <summary>
/// A record that is no contents (a bookmark, metadata, the beginning or end of a round, a checkpoint, …) and where it stands. The payload, where it has one, stays in the segment.
/// In a file: an array of serial, commit, place of the encoded header, the record as in a segment, with the payload's place for the payload, and sequence and time of the newest record of contents or metadata before it.
/// </summary>
internal sealed record IndexFact
{
    private const int Fields = 6;

    public required RecordHeader Header { get; init; }

    /// <summary>Serial of the segment, and the commit in it.</summary>
    public required CommitPlace Place { get; init; }

    /// <summary>Where the encoded header begins in the segment's file.</summary>
    public required uint HeaderOffset { get; init; }

    /// <summary>Where the payload begins in the segment's file; 0 where there is none.</summary>
    public required uint PayloadOffset { get; init; }

    public required int PayloadLength { get; init; }

    /// <summary>The encoded header; a copy, so that it keeps no commit in memory.</summary>
    public required ReadOnlyMemory<byte> EncodedHeader { get; init; }

    public required uint HeaderChecksum { get; init; }

    /// <summary>CRC-32C, little endian, for each 4096 bytes of payload.</summary>
    public required ReadOnlyMemory<byte> Checksums { get; init; }

    /// <summary>The newest record of contents, or of metadata with a sequence, before this one; none where the journal has none.</summary>
    public required RecordMoment FollowedBefore { get; init; }

    /// <summary>Whether records of that kind are facts, and not contents of a disk.</summary>
    public static bool IsFact(RecordKind kind) => kind is not (RecordKind.Write or RecordKind.Zero or RecordKind.Punch or RecordKind.Undo or RecordKind.HandDown);

    /// <param name="record">Of a kind that is a fact.</param>
    /// <param name="place">Segment and commit.</param>
    /// <param name="headerOffset">Where its encoded header begins in the segment's file.</param>
    /// <param name="payloadOffset">Where its payload begins in the segment's file; 0 where it has none.</param>
    /// <param name="followedBefore">The newest record of contents, or of metadata with a sequence, before it.</param>
    public static IndexFact Of(Record record, CommitPlace place, uint headerOffset, uint payloadOffset, RecordMoment followedBefore)
    {
        if (!IsFact(record.Header.Kind)) throw new ArgumentException($"{record} is contents", nameof(record));
        return new IndexFact
        {
            Header = record.Header,
            Place = place,
            HeaderOffset = headerOffset,
            PayloadOffset = record.PayloadLength > 0 ? payloadOffset : 0,
            PayloadLength = record.PayloadLength,
            EncodedHeader = record.EncodedHeader.ToArray(),
            HeaderChecksum = record.HeaderChecksum,
            Checksums = record.PayloadLength > 0 ? record.Checksums.ToArray() : default,
            FollowedBefore = followedBefore,
        };
    }

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteArrayHeader(Fields);
        writer.WriteUInt64(Place.Serial);
        writer.WriteUInt32(Place.Commit);
        writer.WriteUInt32(HeaderOffset);
        writer.WriteArrayHeader(3);
        writer.WriteBinary(EncodedHeader.Span);
        writer.WriteFixedUInt32(HeaderChecksum);
        if (PayloadLength == 0) writer.WriteNil();
        else writer.WriteUInt32(PayloadOffset);
        writer.WriteUInt64(FollowedBefore.Sequence);
        writer.WriteInt64(FollowedBefore.TimeUs);
    }

    /// <exception cref="ProtocolException">The bytes are no fact.</exception>
    public static IndexFact Read(ref MessagePackReader reader, ReadOnlyMemory<byte> source)
    {
        if (reader.ReadArrayHeader("fact") is var fields and not Fields) throw reader.Wrong("fact", $"an array of {Fields}", $"of {fields}");
        var place = new CommitPlace(reader.ReadUInt64("fact serial"), reader.ReadUInt32("fact commit"));
        var headerOffset = reader.ReadUInt32("fact header place");
        var record = Record.Read(ref reader, source, out var payloadOffset);
        if (!IsFact(record.Header.Kind)) throw reader.Wrong("fact kind", "no contents of a disk", $"{record.Header.Kind}");
        if (record.PayloadLength > 0 && (payloadOffset < 0 || payloadOffset > SegmentLayout.SegmentBytesMax - record.PayloadLength)) throw reader.Wrong("fact payload place", "a place in a segment", $"{payloadOffset}");
        return Of(record, place, headerOffset, (uint)Math.Max(payloadOffset, 0), new RecordMoment(reader.ReadUInt64("fact sequence before"), reader.ReadInt64("fact time before")));
    }
}
