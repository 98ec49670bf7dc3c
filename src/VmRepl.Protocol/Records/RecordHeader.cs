namespace VmRepl.Protocol.Records;

/// <summary>What a record says about itself, checksums and payload apart (docs/protocol.md, "Record").</summary>
public sealed record RecordHeader
{
    public required RecordKind Kind { get; init; }

    /// <summary>The record's place in the group's one order; 0 for a record that has none.</summary>
    public ulong Sequence { get; init; }

    /// <summary>Microseconds since 1970-01-01 UTC by the source's clock; never goes back within a group.</summary>
    public long TimeUs { get; init; }

    /// <summary>Grows by one whenever the source side changes hands.</summary>
    public uint Epoch { get; init; }

    /// <summary>The disk's number within the group.</summary>
    public uint Disk { get; init; }

    /// <summary>First byte on the disk; a multiple of 512 where the record speaks of contents.</summary>
    public long Offset { get; init; }

    /// <summary>Bytes on the disk; a multiple of 512 where the record speaks of contents.</summary>
    public long Length { get; init; }

    /// <summary>What an undo or a hand-down restores.</summary>
    public RecordContent Content { get; init; }

    /// <summary>Undo: the sequence undone. Hand-down: the start of the range that it holds for.</summary>
    public ulong Undoes { get; init; }

    /// <summary>Small facts in text: a bookmark's name, a metadata key, a checkpoint's positions. Null where there are none.</summary>
    public IReadOnlyDictionary<string, string>? Attributes { get; init; }
}
