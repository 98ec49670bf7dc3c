using VmRepl.Blocks;

namespace VmRepl.Protocol.Records;

/// <summary>What must hold between the fields of a record. One place, so that what is made and what is read meet the same rules.</summary>
internal static class RecordRules
{
    /// <summary>The first rule that is broken: the field, what it should be, what it is. Null where all hold.</summary>
    public static (string Field, string Expected, string Found)? FindBroken(RecordHeader header, int payloadLength)
    {
        if (!Enum.IsDefined(header.Kind)) return ("kind", "a known kind of record", $"{(byte)header.Kind}");
        if (!Enum.IsDefined(header.Content)) return ("content", "a known content", $"{(byte)header.Content}");
        if (header.Offset < 0) return ("offset", "no less than 0", $"{header.Offset}");
        if (header.Length < 0) return ("length", "no less than 0", $"{header.Length}");
        if (header.Length > long.MaxValue - header.Offset) return ("length", "a range that ends below 2^63", $"{header.Offset} + {header.Length}");
        if (payloadLength is < 0 or > RecordLimits.MaxPayloadBytes)
            return ("payload length", $"at most {RecordLimits.MaxPayloadBytes}", $"{payloadLength}");
        return SpeaksOfContents(header.Kind) ? FindBrokenRange(header, payloadLength) : FindBrokenFact(header);
    }

    /// <summary>Whether the record's range and contents are a disk's.</summary>
    public static bool SpeaksOfContents(RecordKind kind) =>
        kind is RecordKind.Write or RecordKind.Zero or RecordKind.Punch or RecordKind.Undo or RecordKind.HandDown;

    private static (string Field, string Expected, string Found)? FindBrokenRange(RecordHeader header, int payloadLength)
    {
        if (!Sectors.IsAligned(header.Offset, Sectors.Size)) return ("offset", "a multiple of 512", $"{header.Offset}");
        if (header.Length == 0 || !Sectors.IsAligned(header.Length, Sectors.Size)) return ("length", "a multiple of 512 above 0", $"{header.Length}");
        var fits = header.Kind switch
        {
            RecordKind.Write => header.Content == RecordContent.Payload,
            RecordKind.Zero => header.Content is RecordContent.Payload or RecordContent.Zero,
            RecordKind.Punch => header.Content is RecordContent.Payload or RecordContent.Hole,
            RecordKind.Undo => header.Content != RecordContent.Damaged,
            _ => true,
        };
        if (!fits) return ("content", $"what a {header.Kind} record has", $"{header.Content}");
        var expected = header.Kind is RecordKind.Zero or RecordKind.Punch || header.Content != RecordContent.Payload ? 0 : header.Length;
        return payloadLength == expected ? null : ("payload length", $"{expected}", $"{payloadLength}");
    }

    // A value that was handed down may be damaged; it has no sequence, and no payload either.
    private static (string Field, string Expected, string Found)? FindBrokenFact(RecordHeader header) =>
        header.Content == RecordContent.Payload || header is { Kind: RecordKind.Metadata, Sequence: 0, Content: RecordContent.Damaged } ? null : ("content", $"none in a {header.Kind} record", $"{header.Content}");
}
