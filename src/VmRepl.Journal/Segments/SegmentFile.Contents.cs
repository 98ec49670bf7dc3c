using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Index;
using VmRepl.Protocol;
using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Segments;

/// <content>Reading what a record holds, verified: a payload of one chunk by the checksum that the index has, a larger one by those in its header, which is read and verified first.</content>
internal sealed partial class SegmentFile
{
    private const int Chunk = RecordLimits.ChecksumChunkBytes;

    /// <summary>The most that stands between the encoded header and the payload: the header's checksum and the payload's place.</summary>
    private const int BehindHeaderBytes = 5 + 9;

    /// <summary>Reads the bytes that a record holds for <paramref name="range"/> of the disk, verified against the record's checksums.</summary>
    /// <exception cref="JournalDamagedException">They do not verify.</exception>
    public void Read(in RecordRef record, Extent range, Span<byte> target)
    {
        if (record.Content == RecordContent.Damaged) throw Lost(record, range);
        if (record.Content != RecordContent.Payload)
        {
            target.Clear();
            return;
        }

        // Checksums cover 4096-byte chunks counted from the payload's start: whole chunks are read so that each byte handed out has been verified.
        var from = range.Offset - record.Offset;
        var wideFrom = Sectors.AlignDown(from, Chunk);
        var wideTo = Math.Min(Sectors.AlignUp(from + range.Length, Chunk), record.PayloadLength);
        if (wideFrom == from && wideTo == from + range.Length)
        {
            ReadVerified(record, from, target);
            return;
        }

        using var whole = PooledBuffer.Rent((int)(wideTo - wideFrom));
        ReadVerified(record, wideFrom, whole.Span);
        whole.Span.Slice((int)(from - wideFrom), target.Length).CopyTo(target);
    }

    /// <summary>Reads a part of a payload of one chunk, of which the checksum is known. False where it does not verify, or the file ends before.</summary>
    /// <param name="payloadOffset">Where the payload begins in the file.</param>
    /// <param name="payloadLength">Bytes of the whole payload, at most 4096.</param>
    /// <param name="checksum">CRC-32C of the whole payload.</param>
    /// <param name="from">First byte of the part.</param>
    public bool TryReadSmall(long payloadOffset, int payloadLength, uint checksum, int from, Span<byte> target)
    {
        return target.Length == payloadLength ? TryReadWhole(payloadOffset, checksum, target) : TryReadPart(payloadOffset, payloadLength, checksum, from, target);
    }

    /// <summary>Reads a whole payload, verified.</summary>
    /// <exception cref="JournalDamagedException">It does not verify.</exception>
    public byte[] ReadPayload(in RecordRef record)
    {
        if (record.Content == RecordContent.Damaged) throw Lost(record, record.Extent);
        var payload = new byte[record.PayloadLength];
        if (payload.Length > 0) ReadVerified(record, 0, payload);
        return payload;
    }

    /// <summary>Compares a whole payload with its checksums, a piece at a time.</summary>
    /// <exception cref="JournalDamagedException">It does not verify.</exception>
    public void Verify(in RecordRef record)
    {
        const int pieceBytes = 1 << 20;
        using var piece = PooledBuffer.Rent(Math.Min(pieceBytes, record.PayloadLength));
        for (long at = 0; at < record.PayloadLength; at += pieceBytes) ReadVerified(record, at, piece.Span[..(int)Math.Min(pieceBytes, record.PayloadLength - at)]);
    }

    private bool TryReadPart(long payloadOffset, int payloadLength, uint checksum, int from, Span<byte> target)
    {
        Span<byte> whole = stackalloc byte[Chunk];
        whole = whole[..payloadLength];
        if (!TryReadWhole(payloadOffset, checksum, whole)) return false;
        whole.Slice(from, target.Length).CopyTo(target);
        return true;
    }

    private bool TryReadWhole(long payloadOffset, uint checksum, Span<byte> payload)
    {
        handles.CountRead(payload.Length);
        int read;
        using (var lease = new Lease(handle)) read = lease.File.Read(payloadOffset, payload);
        return read == payload.Length && Crc32C.Compute(payload) == checksum;
    }

    private JournalDamagedException Lost(in RecordRef record, Extent range) => new(Path, -1, record.Kind == RecordKind.Metadata
        ? $"a value of the group's keys was damaged before sequence {record.Number}, when the segment that held it was retired"
        : $"sectors {range.Offset / Sectors.Size} to {(range.End / Sectors.Size) - 1} were damaged before sequence {record.Number}, when the segment that held them was retired");

    private void ReadVerified(in RecordRef record, long offset, Span<byte> chunks)
    {
        handles.CountRead(chunks.Length);
        using (var lease = new Lease(handle))
        {
            try
            {
                lease.File.ReadExactly(record.PayloadOffset + offset, chunks);
            }
            catch (EndOfStreamException e)
            {
                throw new JournalDamagedException(Path, record.PayloadOffset + offset, "the file ends inside a payload", e);
            }
        }

        ReadOnlySpan<byte> checksums = default;
        if (record.PayloadLength > Chunk) checksums = handles.Checksums.Find(Serial, record.HeaderOffset) ?? ReadChecksums(record);
        for (var at = 0; at < chunks.Length; at += Chunk)
        {
            var expected = checksums.IsEmpty ? record.FirstChecksum : BinaryPrimitives.ReadUInt32LittleEndian(checksums[(int)((offset + at) / Chunk * sizeof(uint))..]);
            if (Crc32C.Compute(chunks.Slice(at, Math.Min(Chunk, chunks.Length - at))) == expected) continue;
            throw new JournalDamagedException(Path, record.PayloadOffset + offset + at,
                $"the contents of record {Name(record)}, from sector {(record.Offset + offset + at) / Sectors.Size} on, do not match their checksum");
        }
    }

    /// <summary>Reads the record's header for its checksums. One bit of it may be flipped: what the checksums are of verifies by them, or does not.</summary>
    private byte[] ReadChecksums(in RecordRef reference)
    {
        var head = HeadBytes(reference.HeaderLength);
        var encoded = new byte[head + reference.HeaderLength + BehindHeaderBytes];
        handles.CountRead(encoded.Length);
        int read;
        using (var lease = new Lease(handle)) read = lease.File.Read(reference.HeaderOffset - head, encoded);
        byte[] checksums;
        try
        {
            var reader = new MessagePackReader(encoded.AsSpan(0, read));
            checksums = ChecksumsOf(Record.Read(ref reader, encoded, out _), reference);
        }
        catch (ProtocolException e)
        {
            var header = encoded.AsMemory(head, reference.HeaderLength);
            var behind = header.Length + head;
            if (read < behind + 1 + sizeof(uint) || Mend(header, BinaryPrimitives.ReadUInt32BigEndian(encoded.AsSpan(behind + 1)), reference) is not { } mended)
                throw new JournalDamagedException(Path, reference.HeaderOffset, $"the header of record {Name(reference)} does not verify: {e.Message}", e);
            checksums = mended;
        }

        handles.Checksums.Add(Serial, reference.HeaderOffset, checksums);
        return checksums;
    }

    /// <summary>The checksums in an encoded header of which one bit was flipped, or which stands between bytes that are damaged; null where it is otherwise.</summary>
    private byte[]? Mend(Memory<byte> header, uint checksum, in RecordRef reference)
    {
        if (Crc32C.Compute(header.Span) != checksum && FlippedBit.Mend(header.Span, ref checksum) < 0) return null;
        using var writer = new MessagePackWriter(header.Length + BehindHeaderBytes);
        writer.WriteArrayHeader(3);
        writer.WriteBinary(header.Span);
        writer.WriteFixedUInt32(checksum);
        writer.WriteUInt64(reference.PayloadOffset);
        try
        {
            var reader = new MessagePackReader(writer.WrittenSpan);
            return ChecksumsOf(Record.Read(ref reader, writer.WrittenMemory, out _), reference);
        }
        catch (ProtocolException)
        {
            return null;
        }
    }

    private byte[] ChecksumsOf(Record record, in RecordRef reference)
    {
        var header = record.Header;
        if (header.Kind != reference.Kind || (header.Sequence != 0 ? header.Sequence : header.Undoes) != reference.Number || header.Offset != reference.Offset || header.Length != reference.Length
            || record.PayloadLength != reference.PayloadLength || record.EncodedHeader.Length != reference.HeaderLength)
            throw new JournalDamagedException(Path, reference.HeaderOffset, $"{record} stands where the index has {Name(reference)}");
        return record.Checksums.ToArray();
    }

    private static string Name(in RecordRef record) => record.Kind is RecordKind.Undo or RecordKind.HandDown ? $"{record.Kind} of sequence {record.Number}" : $"{record.Kind} {record.Number}";
}
