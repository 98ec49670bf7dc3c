using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Records;

/// <summary>
/// The encoded header: a MessagePack map whose keys are small integers, ascending, fields of value zero left out (docs/protocol.md, "Record").
/// A key that is not known comes from a newer minor version and is passed over; a version that is not known is refused.
/// </summary>
internal static class RecordHeaderCodec
{
    public const uint Version = 1;

    private const uint VersionKey = 0;
    private const uint KindKey = 1;
    private const uint SequenceKey = 2;
    private const uint TimeKey = 3;
    private const uint EpochKey = 4;
    private const uint DiskKey = 5;
    private const uint OffsetKey = 6;
    private const uint LengthKey = 7;
    private const uint ChecksumsKey = 8;
    private const uint ContentKey = 9;
    private const uint UndoesKey = 10;
    private const uint AttributesKey = 11;
    private const uint PayloadLengthKey = 12;

    /// <summary>What decoding finds: the header, where in it the checksums lie, and how many bytes the payload has.</summary>
    public readonly record struct Decoded(RecordHeader Header, Range Checksums, int PayloadLength);

    public static void Encode(RecordHeader header, ReadOnlySpan<byte> payload, MessagePackWriter writer)
    {
        var attributes = header.Attributes is { Count: > 0 } given ? given : null;
        var fields = 2
            + Count(header.Sequence != 0) + Count(header.TimeUs != 0) + Count(header.Epoch != 0) + Count(header.Disk != 0)
            + Count(header.Offset != 0) + Count(header.Length != 0) + (2 * Count(!payload.IsEmpty)) + Count(header.Content != 0)
            + Count(header.Undoes != 0) + Count(attributes is not null);
        writer.WriteMapHeader(fields);
        WriteField(writer, VersionKey, Version);
        WriteField(writer, KindKey, (ulong)header.Kind);
        if (header.Sequence != 0) WriteField(writer, SequenceKey, header.Sequence);
        if (header.TimeUs != 0)
        {
            writer.WriteUInt32(TimeKey);
            writer.WriteInt64(header.TimeUs);
        }

        if (header.Epoch != 0) WriteField(writer, EpochKey, header.Epoch);
        if (header.Disk != 0) WriteField(writer, DiskKey, header.Disk);
        if (header.Offset != 0) WriteField(writer, OffsetKey, (ulong)header.Offset);
        if (header.Length != 0) WriteField(writer, LengthKey, (ulong)header.Length);
        if (!payload.IsEmpty) WriteChecksums(writer, payload);
        if (header.Content != 0) WriteField(writer, ContentKey, (ulong)header.Content);
        if (header.Undoes != 0) WriteField(writer, UndoesKey, header.Undoes);
        if (attributes is not null) WriteAttributes(writer, attributes);
        if (!payload.IsEmpty) WriteField(writer, PayloadLengthKey, (ulong)payload.Length);
    }

    /// <param name="encoded">The whole encoded header.</param>
    /// <param name="baseOffset">Where it begins in what is being decoded, for errors.</param>
    public static Decoded Decode(ReadOnlySpan<byte> encoded, long baseOffset)
    {
        var reader = new MessagePackReader(encoded, baseOffset);
        var fields = reader.ReadMapHeader("record header");
        uint version = 0, kind = 0, epoch = 0, disk = 0, content = 0;
        ulong sequence = 0, undoes = 0;
        long timeUs = 0, offset = 0, length = 0;
        var payloadLength = 0;
        Range checksums = default;
        Dictionary<string, string>? attributes = null;
        var previous = -1L;
        for (var i = 0; i < fields; i++)
        {
            var keyAt = reader.Offset;
            var key = reader.ReadUInt32("record header key");
            // Ascending keys leave no room for a field that is given twice and read differently by two readers.
            if (key <= previous) throw new ProtocolException("record header key", keyAt, $"a key above {previous}", $"{key}");
            previous = key;
            switch (key)
            {
                case VersionKey:
                    version = reader.ReadUInt32("record version");
                    // Checked before anything else is read: the rest of another version may mean something else.
                    if (version != Version) throw new ProtocolException("record version", keyAt, $"{Version}", $"{version}");
                    break;
                case KindKey: kind = reader.ReadUInt32("record kind"); break;
                case SequenceKey: sequence = reader.ReadUInt64("record sequence"); break;
                case TimeKey: timeUs = reader.ReadInt64("record time"); break;
                case EpochKey: epoch = reader.ReadUInt32("record epoch"); break;
                case DiskKey: disk = reader.ReadUInt32("record disk"); break;
                case OffsetKey: offset = reader.ReadInt64("record offset"); break;
                case LengthKey: length = reader.ReadInt64("record length"); break;
                case ChecksumsKey:
                    var bytes = reader.ReadBinary("record checksums").Length;
                    checksums = (reader.Position - bytes)..reader.Position;
                    break;
                case ContentKey: content = reader.ReadUInt32("record content"); break;
                case UndoesKey: undoes = reader.ReadUInt64("record undoes"); break;
                case AttributesKey: attributes = ReadAttributes(ref reader); break;
                case PayloadLengthKey: payloadLength = reader.ReadInt32("record payload length"); break;
                default: reader.Skip("record field of a newer version"); break;
            }

            if (version == 0) throw new ProtocolException("record version", keyAt, "the first field", $"key {key}");
        }

        reader.ExpectEnd("record header");
        if (version == 0) throw new ProtocolException("record version", baseOffset, $"{Version}", "none");
        if (kind > byte.MaxValue) throw new ProtocolException("record kind", baseOffset, "a known kind of record", $"{kind}");
        if (content > byte.MaxValue) throw new ProtocolException("record content", baseOffset, "a known content", $"{content}");
        var header = new RecordHeader
        {
            Kind = (RecordKind)kind,
            Sequence = sequence,
            TimeUs = timeUs,
            Epoch = epoch,
            Disk = disk,
            Offset = offset,
            Length = length,
            Content = (RecordContent)content,
            Undoes = undoes,
            Attributes = attributes,
        };
        if (RecordRules.FindBroken(header, payloadLength) is { } broken)
            throw new ProtocolException($"record {broken.Field}", baseOffset, broken.Expected, broken.Found);
        var expected = RecordLimits.ChecksumCount(payloadLength) * sizeof(uint);
        var found = checksums.End.Value - checksums.Start.Value;
        if (found != expected) throw new ProtocolException("record checksums", baseOffset, $"{expected} bytes", $"{found} bytes");
        return new Decoded(header, checksums, payloadLength);
    }

    private static int Count(bool isPresent) => isPresent ? 1 : 0;

    private static void WriteField(MessagePackWriter writer, uint key, ulong value)
    {
        writer.WriteUInt32(key);
        writer.WriteUInt64(value);
    }

    private static void WriteChecksums(MessagePackWriter writer, ReadOnlySpan<byte> payload)
    {
        writer.WriteUInt32(ChecksumsKey);
        var bytes = RecordLimits.ChecksumCount(payload.Length) * sizeof(uint);
        writer.WriteBinaryHeader(bytes);
        var checksums = writer.Reserve(bytes);
        for (var i = 0; !payload.IsEmpty; i += sizeof(uint))
        {
            var chunk = payload[..Math.Min(RecordLimits.ChecksumChunkBytes, payload.Length)];
            BinaryPrimitives.WriteUInt32LittleEndian(checksums[i..], Crc32C.Compute(chunk));
            payload = payload[chunk.Length..];
        }
    }

    private static void WriteAttributes(MessagePackWriter writer, IReadOnlyDictionary<string, string> attributes)
    {
        writer.WriteUInt32(AttributesKey);
        writer.WriteMapHeader(attributes.Count);
        // Sorted, so that equal headers are equal bytes.
        foreach (var (key, value) in attributes.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            writer.WriteString(key);
            writer.WriteString(value);
        }
    }

    private static Dictionary<string, string> ReadAttributes(ref MessagePackReader reader)
    {
        var count = reader.ReadMapHeader(RecordLimits.MaxAttributes, "record attributes");
        var attributes = new Dictionary<string, string>(count, StringComparer.Ordinal);
        for (var i = 0; i < count; i++)
        {
            var keyAt = reader.Offset;
            var key = reader.ReadString(RecordLimits.MaxAttributeKeyBytes, "record attribute key");
            var value = reader.ReadString(RecordLimits.MaxAttributeValueBytes, $"record attribute {key}");
            if (!attributes.TryAdd(key, value)) throw new ProtocolException("record attribute key", keyAt, "each key once", key);
        }

        return attributes;
    }
}
