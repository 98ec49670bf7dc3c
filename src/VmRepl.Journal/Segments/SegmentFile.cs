using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Index;
using VmRepl.Protocol;
using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Segments;

/// <summary>
/// One open segment. States: <em>tail</em> (commits are added), <em>closed</em> (only read), <em>retired</em> (unlinked; readers that resolved into it before may finish).
/// Crash cases: a torn commit fails its checksum or its payloads', and was not acknowledged; everything before it was flushed before it was written.
/// Writes come from one writer; payload reads may be concurrent.
/// </summary>
internal sealed class SegmentFile : IDisposable
{
    private static readonly byte[] Padding = new byte[SegmentLayout.PayloadAlignment];

    private readonly IHostFile file;
    private int readers;
    private bool retired;

    private SegmentFile(IHostFile file, SegmentHeader header)
    {
        this.file = file;
        Header = header;
        PayloadStart = header.SegmentBytes;
    }

    public SegmentHeader Header { get; }

    public ulong Serial => Header.Serial;

    public string Path => file.Path;

    /// <summary>Where the next commit goes.</summary>
    public long RecordsEnd { get; private set; } = SegmentLayout.HeaderBytes;

    /// <summary>Where the payload area begins; it grows towards <see cref="RecordsEnd"/>.</summary>
    public long PayloadStart { get; private set; }

    public uint CommitCount { get; private set; }

    /// <summary>Every record kept here that the index may point to, in order.</summary>
    public List<StoredRecord> Records { get; } = [];

    /// <summary>Newest sequence of the stream in this or an earlier segment.</summary>
    public ulong LastSequence { get; set; }

    /// <summary>Source time of that record, microseconds since 1970.</summary>
    public long LastTimeUs { get; set; }

    public static SegmentFile Create(IHostDirectory directory, string? spare, SegmentHeader header)
    {
        var name = SegmentLayout.FileName(header.Serial);
        IHostFile file;
        if (spare is not null)
        {
            // The old contents stay: a commit then overwrites and need not grow the file. Their serial tells them apart.
            directory.Rename(spare, name);
            file = directory.Open(name, HostFileAccess.ReadWrite);
        }
        else
        {
            file = directory.Open(name, HostFileAccess.CreateNew);
            file.SetLength(header.SegmentBytes);
        }

        header.WriteTo(file);
        file.Flush();
        directory.Flush();
        return new SegmentFile(file, header);
    }

    /// <summary>Opens a segment; null where its header does not verify.</summary>
    public static SegmentFile? Open(IHostDirectory directory, string name, HostFileAccess access)
    {
        var file = directory.Open(name, access);
        try
        {
            if (SegmentHeader.Read(file) is { } header) return new SegmentFile(file, header);
            file.Dispose();
            return null;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Bytes that a record takes at most: in the records area, and in the payload area.</summary>
    public static (long Records, long Payload) SpaceFor(Record record)
    {
        const int wrapping = 16;
        return record.PayloadLength < SegmentLayout.InlinePayloadMax
            ? (record.EncodedHeader.Length + wrapping + record.PayloadLength, 0)
            : (record.EncodedHeader.Length + wrapping, Sectors.AlignUp(record.PayloadLength, SegmentLayout.PayloadAlignment));
    }

    /// <summary>Whether a commit of that much more fits.</summary>
    public bool Fits(long recordBytes, long payloadBytes)
    {
        const int headerBytesMax = 64;
        var commit = Sectors.AlignUp(SegmentLayout.FramePrefixBytes + headerBytesMax + recordBytes, SegmentLayout.CommitAlignment);
        return RecordsEnd + commit <= PayloadStart - payloadBytes;
    }

    /// <summary>Writes one commit: the payloads, then the records that name them. Nothing is durable before <see cref="Flush"/>.</summary>
    /// <returns>The records as they are now found, and the commit's checksum.</returns>
    public (List<StoredRecord> Stored, uint Checksum) WriteCommit(IReadOnlyList<Record> records, ulong incarnation, uint previous, MessagePackWriter writer)
    {
        var payloadBytes = records.Sum(r => SpaceFor(r).Payload);
        var place = PayloadStart - payloadBytes;
        var parts = new List<ReadOnlyMemory<byte>>();
        var stored = new List<StoredRecord>(records.Count);
        var payloadStart = place;

        Frame.Begin(writer, SegmentLayout.CommitMagic);
        new CommitHeader(Serial, Header.Nonce, incarnation, CommitCount, previous, records.Count).WriteTo(writer);
        foreach (var record in records)
        {
            long at = -1;
            if (record.PayloadLength >= SegmentLayout.InlinePayloadMax)
            {
                at = place;
                record.WriteHeaderTo(writer, at);
                parts.Add(record.Payload);
                var padded = Sectors.AlignUp(record.PayloadLength, SegmentLayout.PayloadAlignment);
                if (padded > record.PayloadLength) parts.Add(Padding.AsMemory(0, (int)(padded - record.PayloadLength)));
                place += padded;
            }
            else
            {
                record.WriteTo(writer);
                if (record.PayloadLength > 0) at = RecordsEnd + writer.Length - record.PayloadLength;
            }

            stored.Add(new StoredRecord(record.Header, this, at, record.PayloadLength, record.Checksums.ToArray()));
        }

        var checksum = Frame.End(writer);
        var commitBytes = Sectors.AlignUp(writer.Length, SegmentLayout.CommitAlignment);
        if (RecordsEnd + commitBytes > payloadStart) throw new InvalidOperationException($"{Path}: a commit of {commitBytes} + {payloadBytes} bytes was written past the free space");
        if (parts.Count > 0) file.Write(payloadStart, parts);
        file.Write(RecordsEnd, [writer.WrittenMemory, Padding.AsMemory(0, (int)(commitBytes - writer.Length))]);
        Advance(commitBytes, payloadStart, stored);
        return (stored, checksum);
    }

    public void Flush() => file.Flush();

    public void ReadPayload(long offset, Span<byte> target)
    {
        try
        {
            file.ReadExactly(offset, target);
        }
        catch (EndOfStreamException e)
        {
            throw new JournalDamagedException(Path, offset, "the file ends inside a payload", e);
        }
    }

    /// <summary>Reads the commit at <see cref="RecordsEnd"/> and goes past it. Null where no commit of this segment verifies there.</summary>
    /// <param name="previous">Checksum that the commit must name as its predecessor; null for the oldest segment's first.</param>
    /// <param name="incarnation">In: the least incarnation accepted. Out: the commit's.</param>
    public (List<StoredRecord> Stored, uint Checksum)? ReadCommit(uint? previous, ref ulong incarnation)
    {
        Span<byte> prefix = stackalloc byte[SegmentLayout.FramePrefixBytes];
        if (RecordsEnd + prefix.Length > PayloadStart || file.Read(RecordsEnd, prefix) != prefix.Length) return null;
        if (!Frame.TryReadPrefix(prefix, SegmentLayout.CommitMagic, out var checksum, out var bodyBytes)) return null;
        var commitBytes = Sectors.AlignUp(SegmentLayout.FramePrefixBytes + bodyBytes, SegmentLayout.CommitAlignment);
        if (commitBytes > PayloadStart - RecordsEnd) return null;
        var body = new byte[bodyBytes];
        if (file.Read(RecordsEnd + SegmentLayout.FramePrefixBytes, body) != body.Length || Crc32C.Compute(body) != checksum) return null;
        try
        {
            var reader = new MessagePackReader(body);
            var header = CommitHeader.Read(ref reader);
            if (header.Serial != Serial || header.Nonce != Header.Nonce || header.Index != CommitCount || header.Incarnation < incarnation || (previous is { } p && header.Previous != p)) return null;
            incarnation = header.Incarnation;
            var stored = new List<StoredRecord>(Math.Min(header.Records, 4096));
            var payloadStart = PayloadStart;
            for (var i = 0; i < header.Records; i++)
            {
                var record = Record.Read(ref reader, body, out var place);
                if (place >= 0)
                {
                    if (place < RecordsEnd || place > Header.SegmentBytes - record.PayloadLength || !Sectors.IsAligned(place, SegmentLayout.PayloadAlignment))
                        throw new JournalDamagedException(Path, RecordsEnd, $"record {record.Header.Sequence} has its payload at {place}, which is outside the payload area");
                    payloadStart = Math.Min(payloadStart, place);
                }
                else if (record.PayloadLength > 0)
                {
                    place = RecordsEnd + SegmentLayout.FramePrefixBytes + reader.Position - record.PayloadLength;
                }

                stored.Add(new StoredRecord(record.Header, this, place, record.PayloadLength, record.Checksums.ToArray()));
            }

            Advance(commitBytes, payloadStart, stored);
            return (stored, checksum);
        }
        catch (ProtocolException e)
        {
            // The checksum holds, so these bytes are what was written: not a torn tail.
            throw new JournalDamagedException(Path, RecordsEnd, $"a commit does not parse: {e.Message}", e);
        }
    }

    /// <summary>Reads whatever stands at <paramref name="offset"/>; returns the bytes read.</summary>
    public int ReadRaw(long offset, Span<byte> target) => file.Read(offset, target);

    /// <summary>Whether a whole commit of this segment's present use stands at <paramref name="offset"/>.</summary>
    public bool IsOwnCommit(long offset)
    {
        Span<byte> prefix = stackalloc byte[SegmentLayout.FramePrefixBytes];
        if (file.Read(offset, prefix) != prefix.Length || !Frame.TryReadPrefix(prefix, SegmentLayout.CommitMagic, out var checksum, out var bodyBytes)) return false;
        if (bodyBytes > Header.SegmentBytes - offset - prefix.Length) return false;
        var body = new byte[bodyBytes];
        if (file.Read(offset + prefix.Length, body) != body.Length || Crc32C.Compute(body) != checksum) return false;
        var reader = new MessagePackReader(body);
        var header = CommitHeader.Read(ref reader);
        return header.Serial == Serial && header.Nonce == Header.Nonce;
    }

    /// <summary>Takes back the last commit read, whose payloads turned out torn.</summary>
    public void Forget(List<StoredRecord> stored, long recordsEnd, long payloadStart)
    {
        Records.RemoveRange(Records.Count - stored.Count, stored.Count);
        RecordsEnd = recordsEnd;
        PayloadStart = payloadStart;
        CommitCount--;
    }

    /// <summary>Keeps the file readable for somebody who resolved into it. Under the journal's index lock.</summary>
    public void AddReader() => readers++;

    /// <summary>Under the journal's index lock.</summary>
    public void ReleaseReader()
    {
        if (--readers == 0 && retired) file.Dispose();
    }

    /// <summary>No reader will come any more. Under the journal's index lock. True where nobody reads, so that the file may be recycled.</summary>
    public bool Retire()
    {
        retired = true;
        if (readers > 0) return false;
        file.Dispose();
        return true;
    }

    public void Dispose() => file.Dispose();

    private void Advance(long commitBytes, long payloadStart, List<StoredRecord> stored)
    {
        RecordsEnd += commitBytes;
        PayloadStart = payloadStart;
        CommitCount++;
        Records.AddRange(stored);
    }
}
