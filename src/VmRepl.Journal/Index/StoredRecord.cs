using VmRepl.Blocks;
using VmRepl.Journal.Segments;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Index;

/// <summary>A record of the journal as the index knows it: what it says, and where its payload lies.</summary>
internal sealed class StoredRecord(RecordHeader header, SegmentFile segment, long payloadOffset, int payloadLength, ReadOnlyMemory<byte> checksums)
{
    public RecordHeader Header { get; } = header;

    public SegmentFile Segment { get; } = segment;

    /// <summary>Where the payload begins in the segment's file; -1 where there is none.</summary>
    public long PayloadOffset { get; } = payloadOffset;

    public int PayloadLength { get; } = payloadLength;

    public Extent Extent => new(Header.Offset, Header.Length);

    public ulong Sequence => Header.Sequence;

    /// <summary>How the sectors it restores read: stored bytes, zeros, or a hole.</summary>
    public RecordContent Content => Header.Kind switch
    {
        RecordKind.Zero => RecordContent.Zero,
        RecordKind.Punch => RecordContent.Hole,
        _ => Header.Content,
    };

    /// <summary>Reads the bytes that this record holds for <paramref name="range"/> of the disk, verified against the record's checksums.</summary>
    /// <exception cref="JournalDamagedException">They do not verify.</exception>
    public void Read(Extent range, Span<byte> target)
    {
        if (Content == RecordContent.Damaged) throw Lost(range);
        if (Content != RecordContent.Payload)
        {
            target.Clear();
            return;
        }

        // Checksums cover 4096-byte chunks counted from the payload's start: whole chunks are read so that each byte handed out has been verified.
        const int chunk = RecordLimits.ChecksumChunkBytes;
        var from = range.Offset - Header.Offset;
        var wideFrom = Sectors.AlignDown(from, chunk);
        var wideTo = Math.Min(Sectors.AlignUp(from + range.Length, chunk), PayloadLength);
        if (wideFrom == from && wideTo == from + range.Length)
        {
            Segment.ReadPayload(PayloadOffset + from, target);
            Verify(wideFrom, target);
            return;
        }

        using var whole = PooledBuffer.Rent((int)(wideTo - wideFrom));
        Segment.ReadPayload(PayloadOffset + wideFrom, whole.Span);
        Verify(wideFrom, whole.Span);
        whole.Span.Slice((int)(from - wideFrom), target.Length).CopyTo(target);
    }

    /// <summary>Reads the whole payload, verified.</summary>
    /// <exception cref="JournalDamagedException">It does not verify.</exception>
    public byte[] ReadPayload()
    {
        if (Content == RecordContent.Damaged) throw Lost(Extent);
        var payload = new byte[PayloadLength];
        if (PayloadLength == 0) return payload;
        Segment.ReadPayload(PayloadOffset, payload);
        Verify(0, payload);
        return payload;
    }

    private JournalDamagedException Lost(Extent range) => new(Segment.Path, -1, Header.Kind == RecordKind.Metadata
        ? $"a value of the group's keys was damaged before sequence {Header.Undoes}, when the segment that held it was retired"
        : $"the contents of disk {Header.Disk}, sectors {range.Offset / Sectors.Size} to {(range.End / Sectors.Size) - 1}, were damaged before sequence {Header.Undoes}, when the segment that held them was retired");

    private void Verify(long offset, ReadOnlySpan<byte> chunks)
    {
        const int chunk = RecordLimits.ChecksumChunkBytes;
        for (var at = 0; at < chunks.Length; at += chunk)
        {
            var stored = System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(checksums.Span[(int)((offset + at) / chunk * sizeof(uint))..]);
            if (Crc32C.Compute(chunks.Slice(at, Math.Min(chunk, chunks.Length - at))) == stored) continue;
            var sector = (Header.Offset + offset + at) / Sectors.Size;
            var name = Header.Kind is RecordKind.Undo or RecordKind.HandDown ? $"{Header.Kind} of sequence {Header.Undoes}" : $"{Header.Kind} {Header.Sequence}";
            throw new JournalDamagedException(Segment.Path, PayloadOffset + offset + at,
                $"the contents of record {name}, disk {Header.Disk}, from sector {sector} on, do not match their checksum");
        }
    }
}
