using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Records;

/// <summary>
/// One record of a group's stream or journal. Its header is encoded once, where the record is made, and those bytes are what travels, what is
/// stored and what is verified ever after; the payload is plain and has a CRC-32C for each 4096 bytes, so a part of it still verifies.
/// Immutable; the memory it was read from must live and stay as it is for as long as the record does.
/// </summary>
public sealed class Record
{
    // What stands between an array's head and the contents of the header's bin at the most; used to size buffers.
    private const int FramingBytes = 1 + 5 + 5 + 5;

    private readonly ReadOnlyMemory<byte> checksums;

    private Record(RecordHeader header, ReadOnlyMemory<byte> encodedHeader, uint headerChecksum, ReadOnlyMemory<byte> checksums, int payloadLength, ReadOnlyMemory<byte> payload)
    {
        Header = header;
        EncodedHeader = encodedHeader;
        HeaderChecksum = headerChecksum;
        this.checksums = checksums;
        PayloadLength = payloadLength;
        Payload = payload;
    }

    public RecordHeader Header { get; }

    /// <summary>The header's bytes as they were made.</summary>
    public ReadOnlyMemory<byte> EncodedHeader { get; }

    /// <summary>CRC-32C of <see cref="EncodedHeader"/>.</summary>
    public uint HeaderChecksum { get; }

    /// <summary>The plain payload; empty where there is none, and where it lies elsewhere and <see cref="WithPayload"/> has not brought it.</summary>
    public ReadOnlyMemory<byte> Payload { get; }

    /// <summary>Bytes of payload that the record has, wherever they are.</summary>
    public int PayloadLength { get; }

    /// <summary>A CRC-32C, little endian, for each 4096 bytes of payload.</summary>
    public ReadOnlySpan<byte> Checksums => checksums.Span;

    /// <summary>The most bytes that <see cref="WriteTo"/> writes.</summary>
    public int MaxEncodedBytes => FramingBytes + EncodedHeader.Length + PayloadLength;

    /// <summary>Makes a record and its checksums. The payload is kept, not copied: the caller leaves it as it is.</summary>
    /// <exception cref="ArgumentException">The fields do not fit one another (see docs/protocol.md, "Record") or exceed <see cref="RecordLimits"/>.</exception>
    public static Record Create(RecordHeader header, ReadOnlyMemory<byte> payload)
    {
        ArgumentNullException.ThrowIfNull(header);
        if (RecordRules.FindBroken(header, payload.Length) is { } broken)
            throw new ArgumentException($"{broken.Field} of a {header.Kind} record: expected {broken.Expected}, found {broken.Found}", nameof(header));
        using var writer = new MessagePackWriter(64 + (RecordLimits.ChecksumCount(payload.Length) * sizeof(uint)));
        RecordHeaderCodec.Encode(header, payload.Span, writer);
        if (writer.Length > RecordLimits.MaxEncodedHeaderBytes)
            throw new ArgumentException($"the header takes {writer.Length} bytes, {RecordLimits.MaxEncodedHeaderBytes} is the most", nameof(header));
        var encoded = writer.WrittenSpan.ToArray();
        try
        {
            // Read back at once: what is made here has to be readable for years, the attributes' own limits included.
            var decoded = RecordHeaderCodec.Decode(encoded, 0);
            return new Record(header, encoded, Crc32C.Compute(encoded), encoded.AsMemory(decoded.Checksums), payload.Length, payload);
        }
        catch (ProtocolException fault)
        {
            throw new ArgumentException(fault.Message, nameof(header), fault);
        }
    }

    /// <summary>
    /// Reads a record and verifies its header; the payload is verified when <see cref="VerifyPayload"/> or <see cref="VerifyPart"/> is asked to.
    /// </summary>
    /// <param name="reader">Reads <paramref name="source"/>, all of it.</param>
    /// <param name="source">The memory under the reader; the record keeps slices of it.</param>
    /// <param name="payloadPlace">Where the payload lies in a segment's payload area, in bytes; -1 where it is inline or there is none.</param>
    /// <exception cref="ProtocolException">The bytes are no such record, or the header's checksum does not match.</exception>
    public static Record Read(ref MessagePackReader reader, ReadOnlyMemory<byte> source, out long payloadPlace)
    {
        if (reader.Length != source.Length) throw new ArgumentException("the reader is over other memory", nameof(source));
        var items = reader.ReadArrayHeader("record");
        if (items != 3) throw reader.Wrong("record", "an array of 3", $"of {items}");
        var encoded = SliceOf(source, reader.ReadBinary(RecordLimits.MaxEncodedHeaderBytes, "record header").Length, reader.Position);
        var headerAt = reader.Offset - encoded.Length;
        var checksum = reader.ReadUInt32("record header checksum");
        var computed = Crc32C.Compute(encoded.Span);
        if (computed != checksum) throw new ProtocolException("record header checksum", headerAt, $"{checksum:x8}", $"{computed:x8}");
        var decoded = RecordHeaderCodec.Decode(encoded.Span, headerAt);

        payloadPlace = -1;
        ReadOnlyMemory<byte> payload = default;
        if (decoded.PayloadLength == 0)
        {
            reader.ReadNil("record payload");
        }
        else if (reader.TryPeekKind(out var kind) && kind == MessagePackKind.Integer)
        {
            payloadPlace = reader.ReadInt64("record payload place");
            if (payloadPlace < 0) throw reader.Wrong("record payload place", "no less than 0", $"{payloadPlace}");
        }
        else
        {
            var length = reader.ReadBinary(RecordLimits.MaxPayloadBytes, "record payload").Length;
            if (length != decoded.PayloadLength) throw reader.Wrong("record payload", $"{decoded.PayloadLength} bytes", $"{length} bytes");
            payload = SliceOf(source, length, reader.Position);
        }

        return new Record(decoded.Header, encoded, checksum, encoded[decoded.Checksums], decoded.PayloadLength, payload);
    }

    /// <summary>The same record with its payload, which was elsewhere. Not verified yet.</summary>
    public Record WithPayload(ReadOnlyMemory<byte> payload)
    {
        if (payload.Length != PayloadLength) throw new ArgumentException($"the record has {PayloadLength} bytes of payload, not {payload.Length}", nameof(payload));
        return new Record(Header, EncodedHeader, HeaderChecksum, checksums, PayloadLength, payload);
    }

    /// <summary>An array of three: the header as bin, its checksum as a full uint 32, the payload as bin, or nil where there is none.</summary>
    /// <exception cref="InvalidOperationException">The payload is elsewhere.</exception>
    public void WriteTo(MessagePackWriter writer)
    {
        RequirePayload();
        WriteHead(writer);
        if (PayloadLength == 0) writer.WriteNil();
        else writer.WriteBinary(Payload.Span);
    }

    /// <summary>The same array with an unsigned integer for the payload: where it lies in a segment's payload area, in bytes.</summary>
    /// <exception cref="InvalidOperationException">The record has no payload.</exception>
    public void WriteHeaderTo(MessagePackWriter writer, long payloadPlace)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(payloadPlace);
        if (PayloadLength == 0) throw new InvalidOperationException($"{this} has no payload that could lie elsewhere");
        WriteHead(writer);
        writer.WriteUInt64((ulong)payloadPlace);
    }

    /// <summary>Compares the whole payload with its checksums.</summary>
    /// <exception cref="ProtocolException">A chunk differs; the message names the record and the chunk, the offset is the chunk's in the payload.</exception>
    public void VerifyPayload()
    {
        RequirePayload();
        for (var at = 0; at < PayloadLength; at += RecordLimits.ChecksumChunkBytes)
        {
            var chunk = Payload.Span.Slice(at, Math.Min(RecordLimits.ChecksumChunkBytes, PayloadLength - at));
            var computed = Crc32C.Compute(chunk);
            var expected = ChecksumAt(at / RecordLimits.ChecksumChunkBytes);
            if (computed != expected)
                throw new ProtocolException($"payload of {this}, chunk {at / RecordLimits.ChecksumChunkBytes}", at, $"checksum {expected:x8}", $"{computed:x8}");
        }
    }

    /// <summary>Whether a part of the payload, wherever it was read from, is what it was when the record was made.</summary>
    /// <param name="offsetInPayload">A multiple of 4096.</param>
    /// <param name="wholeChunks">A multiple of 4096 bytes, or up to the payload's end.</param>
    /// <exception cref="ArgumentException">The part does not begin and end with chunks.</exception>
    public bool VerifyPart(long offsetInPayload, ReadOnlySpan<byte> wholeChunks)
    {
        if (offsetInPayload < 0 || offsetInPayload > PayloadLength || !Sectors.IsAligned(offsetInPayload, RecordLimits.ChecksumChunkBytes))
            throw new ArgumentException($"a part begins on a chunk of the payload's {PayloadLength} bytes, not at {offsetInPayload}", nameof(offsetInPayload));
        var end = offsetInPayload + wholeChunks.Length;
        if (end > PayloadLength || (end != PayloadLength && !Sectors.IsAligned(end, RecordLimits.ChecksumChunkBytes)))
            throw new ArgumentException($"a part ends with a chunk of the payload's {PayloadLength} bytes, not at {end}", nameof(wholeChunks));
        for (var chunk = (int)(offsetInPayload / RecordLimits.ChecksumChunkBytes); !wholeChunks.IsEmpty; chunk++)
        {
            var size = Math.Min(RecordLimits.ChecksumChunkBytes, wholeChunks.Length);
            if (Crc32C.Compute(wholeChunks[..size]) != ChecksumAt(chunk)) return false;
            wholeChunks = wholeChunks[size..];
        }

        return true;
    }

    public override string ToString() =>
        RecordRules.SpeaksOfContents(Header.Kind)
            ? $"{Header.Kind} record {Header.Sequence} (disk {Header.Disk}, {Header.Length} bytes at {Header.Offset})"
            : $"{Header.Kind} record {Header.Sequence}";

    private static ReadOnlyMemory<byte> SliceOf(ReadOnlyMemory<byte> source, int length, int end) => source.Slice(end - length, length);

    private uint ChecksumAt(int chunk) => BinaryPrimitives.ReadUInt32LittleEndian(Checksums[(chunk * sizeof(uint))..]);

    private void WriteHead(MessagePackWriter writer)
    {
        writer.WriteArrayHeader(3);
        writer.WriteBinary(EncodedHeader.Span);
        writer.WriteFixedUInt32(HeaderChecksum);
    }

    private void RequirePayload()
    {
        if (Payload.Length != PayloadLength) throw new InvalidOperationException($"the payload of {this} is elsewhere and was not brought");
    }
}
