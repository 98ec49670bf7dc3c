using VmRepl.Blocks;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Index;

/// <summary>
/// Where the contents that one record holds lie, as the index keeps it: everything that is needed to find, read and verify a part of them, and nothing else of the record.
/// An index file keeps each in 64 bytes.
/// </summary>
internal readonly record struct RecordRef
{
    /// <summary>A write, zero or punch; an undo; or a hand-down.</summary>
    public required RecordKind Kind { get; init; }

    /// <summary>A version's sequence; for an undo the sequence that it undoes, for a hand-down the start that it holds for.</summary>
    public required ulong Number { get; init; }

    /// <summary>Stored bytes, zeros, or a hole.</summary>
    public required RecordContent Content { get; init; }

    /// <summary>First byte on the disk that the record names.</summary>
    public required long Offset { get; init; }

    /// <summary>Bytes on the disk that the record names.</summary>
    public required long Length { get; init; }

    /// <summary>Serial of the segment that it stands in.</summary>
    public required ulong Serial { get; init; }

    /// <summary>Where its encoded header begins in the segment's file, and how long that is: the checksums of its payload stand there.</summary>
    public required uint HeaderOffset { get; init; }

    public required int HeaderLength { get; init; }

    /// <summary>Where its payload begins in the segment's file; 0 where it has none.</summary>
    public required uint PayloadOffset { get; init; }

    public required int PayloadLength { get; init; }

    /// <summary>CRC-32C of the payload's first 4096 bytes (or all of it, where it is shorter): a small payload is verified without reading the header. 0 where there is none.</summary>
    public required uint FirstChecksum { get; init; }

    public Extent Extent => new(Offset, Length);

    /// <summary>Whether this is a record of the stream, and not an undo or a hand-down.</summary>
    public bool IsVersion => Kind < RecordKind.Undo;
}
