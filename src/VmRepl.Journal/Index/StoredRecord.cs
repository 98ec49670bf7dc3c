using VmRepl.Journal.Segments;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Index;

/// <summary>A record as it stands in a segment, while it is taken into the index or looked at; it keeps the memory of its whole commit, so nothing keeps it.</summary>
internal sealed class StoredRecord(Record record, CommitPlace place, uint headerOffset, long payloadOffset)
{
    public Record Record => record;

    public RecordHeader Header => record.Header;

    public ulong Sequence => record.Header.Sequence;

    public int PayloadLength => record.PayloadLength;

    /// <summary>Segment and commit.</summary>
    public CommitPlace Place => place;

    /// <summary>Where it lies, as the index keeps it.</summary>
    public RecordRef Ref { get; } = new()
    {
        Kind = record.Header.Kind,
        Number = record.Header.Sequence != 0 ? record.Header.Sequence : record.Header.Undoes,
        Content = record.Header.Kind switch
        {
            RecordKind.Zero => RecordContent.Zero,
            RecordKind.Punch => RecordContent.Hole,
            _ => record.Header.Content,
        },
        Offset = record.Header.Offset,
        Length = record.Header.Length,
        Serial = place.Serial,
        HeaderOffset = headerOffset,
        HeaderLength = record.EncodedHeader.Length,
        PayloadOffset = record.PayloadLength > 0 ? (uint)payloadOffset : 0,
        PayloadLength = record.PayloadLength,
        FirstChecksum = record.PayloadLength > 0 ? System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(record.Checksums) : 0,
    };
}
