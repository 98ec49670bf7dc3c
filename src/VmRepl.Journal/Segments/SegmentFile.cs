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
    private const int ScanBytes = 1 << 20;

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

    /// <summary>Where each commit begins, and the number of its first record in <see cref="Records"/>.</summary>
    public List<(long Offset, int FirstRecord)> Commits { get; } = [];

    /// <summary>Newest sequence of the stream in this or an earlier segment.</summary>
    public ulong LastSequence { get; set; }

    /// <summary>Source time of that record, microseconds since 1970.</summary>
    public long LastTimeUs { get; set; }

    /// <summary>Makes a segment. It gets its name only when its header is durable, so that a crash leaves a spare file or a whole segment.</summary>
    /// <param name="spare">A file to use again, or null. Its contents stay, so that a commit overwrites and need not grow the file; its nonce tells them apart.</param>
    public static SegmentFile Create(IHostDirectory directory, string? spare, SegmentHeader header)
    {
        var name = SegmentLayout.FileName(header.Serial);
        var preparing = spare ?? SegmentLayout.SparePrefix + name;
        using (var file = directory.Open(preparing, spare is null ? HostFileAccess.CreateNew : HostFileAccess.ReadWrite))
        {
            file.SetLength(header.SegmentBytes);
            header.WriteTo(file);
            file.Flush();
        }

        directory.Rename(preparing, name);
        directory.Flush();
        return Open(directory, name, HostFileAccess.ReadWrite);
    }

    /// <exception cref="JournalDamagedException">Its header does not verify.</exception>
    public static SegmentFile Open(IHostDirectory directory, string name, HostFileAccess access)
    {
        var file = directory.Open(name, access);
        try
        {
            return new SegmentFile(file, SegmentHeader.Read(file));
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
        var commit = Sectors.AlignUp(SegmentLayout.FramePrefixBytes + CommitHeader.BytesMax + recordBytes, SegmentLayout.CommitAlignment);
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
    /// <exception cref="JournalDamagedException">One verifies and does not follow the commit before it, or says what no writer wrote.</exception>
    public (List<StoredRecord> Stored, uint Checksum)? ReadCommit(uint? previous, ref ulong incarnation)
    {
        if (ReadOwnBody(RecordsEnd, PayloadStart, out var checksum) is not { } body) return null;
        try
        {
            var reader = new MessagePackReader(body);
            var header = CommitHeader.Read(ref reader);
            if (header.Index != CommitCount || header.Incarnation < incarnation || (previous is { } p && header.Previous != p))
                throw new JournalDamagedException(Path, RecordsEnd, $"commit {header.Index} stands where commit {CommitCount} is due, or does not follow the one before it: something in between is lost");
            incarnation = header.Incarnation;
            var commitBytes = Sectors.AlignUp(SegmentLayout.FramePrefixBytes + body.Length, SegmentLayout.CommitAlignment);
            var stored = new List<StoredRecord>();
            var payloadStart = PayloadStart;
            for (var i = 0; i < header.Records; i++)
            {
                var record = Record.Read(ref reader, body, out var place);
                if (place >= 0)
                {
                    if (place < RecordsEnd + commitBytes || place > PayloadStart - record.PayloadLength || !Sectors.IsAligned(place, SegmentLayout.PayloadAlignment))
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

    /// <summary>Whether a whole commit of this segment stands anywhere behind <see cref="RecordsEnd"/>: then what is at that place is damage and not a torn end.</summary>
    public bool HasCommitFurtherOn()
    {
        using var buffer = PooledBuffer.Rent(ScanBytes);
        for (var at = RecordsEnd; at < PayloadStart; at += ScanBytes)
        {
            var wanted = (int)Math.Min(ScanBytes, PayloadStart - at);
            var read = file.Read(at, buffer.Span[..wanted]);
            for (var i = 0; i + SegmentLayout.FramePrefixBytes <= read; i += SegmentLayout.CommitAlignment)
            {
                if (at + i > RecordsEnd && Frame.TryReadPrefix(buffer.Span[i..read], SegmentLayout.CommitMagic, out _, out _)
                    && ReadOwnBody(at + i, Header.SegmentBytes, out _) is not null) return true;
            }

            if (read < wanted) break;
        }

        return false;
    }

    /// <summary>Takes back the last commit read, whose payloads turned out torn.</summary>
    public void Forget(List<StoredRecord> stored, long recordsEnd, long payloadStart)
    {
        Records.RemoveRange(Records.Count - stored.Count, stored.Count);
        Commits.RemoveAt(Commits.Count - 1);
        RecordsEnd = recordsEnd;
        PayloadStart = payloadStart;
        CommitCount--;
    }

    /// <summary>Why the header on the disk is not the one that was read when the segment was opened, or null.</summary>
    public string? WhyHeaderIsDamaged()
    {
        try
        {
            return SegmentHeader.Read(file) == Header ? null : $"{Path}, offset 0: the header is that of another segment";
        }
        catch (Exception e) when (e is JournalDamagedException or IOException)
        {
            return e.Message;
        }
    }

    /// <summary>Whether the commit of that number still stands, whole, between these two places. Safe beside the writer.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public bool VerifyCommit(uint index, long offset, long end)
    {
        if (ReadOwnBody(offset, end, out _) is not { } body) return false;
        var reader = new MessagePackReader(body);
        return CommitHeader.Read(ref reader).Index == index;
    }

    /// <summary>
    /// Makes the segment fit to be written on: what stands at the end is no commit any more, so that it cannot be taken for one once others follow in the next segment;
    /// and everything read so far, which a process that was killed may have left unflushed, is durable.
    /// </summary>
    public void Settle(bool eraseNext)
    {
        if (eraseNext && PayloadStart - RecordsEnd >= SegmentLayout.CommitAlignment) file.Write(RecordsEnd, Padding.AsSpan(0, SegmentLayout.CommitAlignment));
        // After a flush that failed, Linux shows what was written and counts it as clean: it may never reach the disk, and a flush that succeeds later says nothing about it.
        // What is read here is reported as durable, so the one commit that this can be about is written once more.
#if SIMULATION_PLANTS
        if (Commits.Count > 0 && !VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.TrustFailedFlush))
#else
        if (Commits.Count > 0)
#endif
        {
            var (offset, first) = Commits[^1];
            WriteAgain(offset, RecordsEnd - offset);
            foreach (var record in Records.Skip(first).Where(r => r.PayloadOffset >= RecordsEnd)) WriteAgain(record.PayloadOffset, record.PayloadLength);
        }

        file.Flush();
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

    /// <summary>The body of the commit at <paramref name="offset"/>, or null where no whole commit of this use of the file stands there.</summary>
    private byte[]? ReadOwnBody(long offset, long end, out uint checksum)
    {
        checksum = 0;
        Span<byte> head = stackalloc byte[SegmentLayout.FramePrefixBytes + CommitHeader.BytesMax];
        head = head[..(int)Math.Min(head.Length, Math.Max(0, end - offset))];
        head = head[..file.Read(offset, head)];
        if (!Frame.TryReadPrefix(head, SegmentLayout.CommitMagic, out checksum, out var bodyBytes) || bodyBytes > end - offset - SegmentLayout.FramePrefixBytes) return null;
        if (!CommitHeader.IsOf(head[SegmentLayout.FramePrefixBytes..], Header)) return null;
        var body = new byte[bodyBytes];
        return file.Read(offset + SegmentLayout.FramePrefixBytes, body) == body.Length && Crc32C.Compute(body) == checksum ? body : null;
    }

    private void WriteAgain(long offset, long length)
    {
        using var buffer = PooledBuffer.Rent((int)Math.Min(length, ScanBytes));
        for (long done = 0; done < length; done += buffer.Span.Length)
        {
            var part = buffer.Span[..(int)Math.Min(buffer.Span.Length, length - done)];
            file.ReadExactly(offset + done, part);
            file.Write(offset + done, part);
        }
    }

    private void Advance(long commitBytes, long payloadStart, List<StoredRecord> stored)
    {
        Commits.Add((RecordsEnd, Records.Count));
        RecordsEnd += commitBytes;
        PayloadStart = payloadStart;
        CommitCount++;
        Records.AddRange(stored);
    }
}
