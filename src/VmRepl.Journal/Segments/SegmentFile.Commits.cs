using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Protocol;
using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Segments;

/// <content>Reading commits.</content>
internal sealed partial class SegmentFile
{
    /// <summary>Reads the commit at <see cref="End"/> and goes past it. Null where no commit of this segment verifies there.</summary>
    /// <param name="previous">Checksum that the commit must name as its predecessor; null for the oldest segment's first.</param>
    /// <param name="incarnation">In: the least incarnation accepted. Out: the commit's.</param>
    /// <exception cref="JournalDamagedException">One verifies and does not follow the commit before it, or says what no writer wrote.</exception>
    public Commit? ReadCommit(uint? previous, ref ulong incarnation)
    {
        if (ReadCommit(End, previous, incarnation, out var end) is not { } commit) return null;
        incarnation = commit.Incarnation;
        Advance(end, commit.Checksum, commit.Incarnation);
        return commit;
    }

    /// <summary>Reads the segment's commits from its file, up to <paramref name="end"/>.</summary>
    /// <param name="end">A place in the segment, of a moment before.</param>
    /// <param name="notBefore">Commits of which every record of the stream is at or before this sequence are passed over where they do not verify.</param>
    /// <exception cref="JournalDamagedException">One of the others does not verify.</exception>
    public IEnumerable<Commit> ReadCommits(SegmentCursor end, ulong notBefore = 0)
    {
        uint? previous = Header.Previous;
        ulong incarnation = 0;
        JournalDamagedException? passedOver = null;
        for (var at = new SegmentCursor(SegmentLayout.HeaderBytes, Header.SegmentBytes, 0); at.Commits < end.Commits;)
        {
            if ((ReadCommit(at, previous, incarnation, out var behind) ?? Mend(at, previous, incarnation, out behind) ?? Salvage(at, incarnation, LastChecksum, out behind)) is not { } commit)
            {
                passedOver ??= new JournalDamagedException(Path, at.RecordsEnd, $"commit {at.Commits} does not verify");
                if (notBefore == 0 || FindCommit(at.RecordsEnd + SegmentLayout.CommitAlignment, end.RecordsEnd) is not { } next || next.Index <= at.Commits) throw passedOver;
                (at, previous) = (at with { RecordsEnd = next.Offset, Commits = next.Index }, next.Previous);
                continue;
            }

            // Sequences ascend: what was passed over lies before this one.
            if (passedOver is not null && commit.Stored.Find(r => r.Sequence > 0) is { } first)
            {
                if (first.Sequence - 1 > notBefore) throw passedOver;
                passedOver = null;
            }

            (at, previous, incarnation) = (behind, commit.Checksum, commit.Incarnation);
            yield return commit;
        }

        if (passedOver is not null && LastSequence > notBefore) throw passedOver;
    }

    /// <summary>Reads the commit at a place.</summary>
    /// <param name="end">The place behind it; the same place where there is none.</param>
    /// <exception cref="JournalDamagedException">One verifies and does not follow the commit before it, or says what no writer wrote.</exception>
    public Commit? ReadCommit(SegmentCursor at, uint? previous, ulong incarnation, out SegmentCursor end)
    {
        end = at;
        return ReadOwnBody(at.RecordsEnd, at.PayloadStart, out var checksum) is { } body ? Parse(body, checksum, at, previous, incarnation, out end) : null;
    }

    /// <summary>Reads the commit at <see cref="End"/>, in which one bit is not what it was, and goes past it. Null where there is none such.</summary>
    public Commit? Mend(uint? previous, ref ulong incarnation)
    {
        if (Mend(End, previous, incarnation, out var end) is not { } commit) return null;
        incarnation = commit.Incarnation;
        Advance(end, commit.Checksum, commit.Incarnation);
        return commit;
    }

    /// <summary>
    /// The commit at a place of which one bit was flipped, as it was written: it verifies as a whole, is one of this use of the file, follows the one before it, and each of its records' headers verifies.
    /// The file stays as it is. Null where it is otherwise.
    /// </summary>
    public Commit? Mend(SegmentCursor at, uint? previous, ulong incarnation, out SegmentCursor end)
    {
        end = at;
        byte[] body;
        uint checksum;
        using (var lease = new Lease(handle))
        {
            var prefix = new byte[SegmentLayout.FramePrefixBytes];
            if (lease.File.Read(at.RecordsEnd, prefix) != prefix.Length || !Frame.TryReadPrefix(prefix, SegmentLayout.CommitMagic, out checksum, out var bodyBytes)) return null;
            if (bodyBytes > at.PayloadStart - at.RecordsEnd - prefix.Length) return null;
            body = new byte[bodyBytes];
            handles.CountRead(prefix.Length + body.Length);
            if (lease.File.Read(at.RecordsEnd + prefix.Length, body) != body.Length) return null;
        }

        if (FlippedBit.Mend(body, ref checksum) < 0 || !CommitHeader.IsOf(body, Header)) return null;
        try
        {
            return Parse(body, checksum, at, previous, incarnation, out end);
        }
        catch (JournalDamagedException)
        {
            // More than a bit is damaged.
            end = at;
            return null;
        }
    }

    /// <param name="body">Verified by <paramref name="checksum"/>.</param>
    private Commit Parse(byte[] body, uint checksum, SegmentCursor at, uint? previous, ulong incarnation, out SegmentCursor end)
    {
        end = at;
        try
        {
            var reader = new MessagePackReader(body);
            var header = CommitHeader.Read(ref reader);
            if (header.Index != at.Commits || header.Incarnation < incarnation || (previous is { } p && header.Previous != p))
                throw new JournalDamagedException(Path, at.RecordsEnd, $"commit {header.Index} stands where commit {at.Commits} is due, or does not follow the one before it: something in between is lost");
            var commitBytes = Sectors.AlignUp(SegmentLayout.FramePrefixBytes + body.Length, SegmentLayout.CommitAlignment);
            var stored = ReadRecords(ref reader, body, header.Records, at, commitBytes, out var payloadStart);
            end = new SegmentCursor(at.RecordsEnd + commitBytes, payloadStart, at.Commits + 1);
            return new Commit(Serial, at, checksum, header.Incarnation, stored);
        }
        catch (ProtocolException e)
        {
            // The checksum holds, so these bytes are what was written: not a torn tail.
            throw new JournalDamagedException(Path, at.RecordsEnd, $"a commit does not parse: {e.Message}", e);
        }
    }

    /// <summary>Whether a whole commit of this segment stands anywhere behind <see cref="RecordsEnd"/>: then what is at that place is damage and not a torn end.</summary>
    public bool HasCommitFurtherOn() => FindCommit(RecordsEnd + SegmentLayout.CommitAlignment, PayloadStart) is not null;

    /// <summary>Reads a damaged commit at <see cref="End"/> and goes past it, as <see cref="Salvage(SegmentCursor, ulong, uint?, out SegmentCursor)"/> does.</summary>
    /// <param name="behind">The predecessor that the next segment names; null where there is none.</param>
    public Commit? Salvage(ulong incarnation, uint? behind)
    {
        if (Salvage(End, incarnation, behind, out var end) is not { } commit) return null;
        Advance(end, commit.Checksum, commit.Incarnation);
        return commit;
    }

    /// <summary>
    /// The commit at a place whose frame does not verify although others follow it: where each of its records' headers verifies by its own checksum, nothing of what it says is lost,
    /// and what is damaged is found by the payloads' checksums when they are read. Null where a record cannot be told.
    /// </summary>
    /// <param name="behind">The checksum that whatever follows this segment's last commit names; null where nothing does.</param>
    private Commit? Salvage(SegmentCursor at, ulong incarnation, uint? behind, out SegmentCursor end)
    {
        end = at;
        var next = FindCommit(at.RecordsEnd + SegmentLayout.CommitAlignment, at.PayloadStart);
        if (next is { } found ? found.Index != at.Commits + 1 : behind is null) return null;
        var bodyAt = at.RecordsEnd + SegmentLayout.FramePrefixBytes;
        var room = (next?.Offset ?? at.PayloadStart) - bodyAt;
        using (var lease = new Lease(handle))
        {
            // How long the last one is says its own prefix only.
            var prefix = new byte[SegmentLayout.FramePrefixBytes];
            if (next is null && (lease.File.Read(at.RecordsEnd, prefix) != prefix.Length || !Frame.TryReadPrefix(prefix, SegmentLayout.CommitMagic, out _, out var said) || (room = Math.Min(room, PaddedBody(said))) < said)) return null;
        }

        if (room is <= 0 or > SegmentLayout.SegmentBytesMax) return null;
        var body = new byte[room];
        using (var lease = new Lease(handle))
        {
            if (lease.File.Read(bodyAt, body) != body.Length) return null;
        }

        handles.CountRead(body.Length);
        try
        {
            var reader = new MessagePackReader(body);
            var header = CommitHeader.Read(ref reader);
            if (header.Serial != Serial || header.Nonce != Header.Nonce || header.Index != at.Commits) return null;
            var commitBytes = SegmentLayout.FramePrefixBytes + room;
            var stored = ReadRecords(ref reader, body, header.Records, at, commitBytes, out var payloadStart);
            // Behind the last record is padding: were a count damaged, a record would stand there.
            if (PaddedBody(reader.Position) != room || body.AsSpan((int)reader.Position).ContainsAnyExcept((byte)0)) return null;
            end = new SegmentCursor(at.RecordsEnd + commitBytes, payloadStart, at.Commits + 1);
            return new Commit(Serial, at, next?.Previous ?? behind!.Value, incarnation, stored);
        }
        catch (Exception e) when (e is ProtocolException or JournalDamagedException)
        {
            return null;
        }

        static long PaddedBody(long bodyBytes) => Sectors.AlignUp(SegmentLayout.FramePrefixBytes + bodyBytes, SegmentLayout.CommitAlignment) - SegmentLayout.FramePrefixBytes;
    }

    /// <summary>The next place from <paramref name="from"/> on at which a whole commit of this use of the file stands, its number, and the checksum that it names; null where there is none before <paramref name="to"/>.</summary>
    public (long Offset, uint Index, uint Previous)? FindCommit(long from, long to)
    {
        using var buffer = PooledBuffer.Rent(ScanBytes);
        for (var at = from; at < to; at += ScanBytes)
        {
            var wanted = (int)Math.Min(ScanBytes, to - at);
            int read;
            using (var lease = new Lease(handle)) read = lease.File.Read(at, buffer.Span[..wanted]);
            for (var i = 0; i + SegmentLayout.FramePrefixBytes <= read; i += SegmentLayout.CommitAlignment)
            {
                if (!Frame.TryReadPrefix(buffer.Span[i..read], SegmentLayout.CommitMagic, out _, out _) || ReadOwnBody(at + i, Header.SegmentBytes, out _) is not { } body) continue;
                var reader = new MessagePackReader(body);
                var header = CommitHeader.Read(ref reader);
                return (at + i, header.Index, header.Previous);
            }

            if (read < wanted) break;
        }

        return null;
    }

    /// <summary>Takes back the last commit read, whose payloads turned out torn.</summary>
    /// <param name="checksum">Of the commit before it.</param>
    public void Forget(Commit commit, uint checksum)
    {
        End = commit.Before;
        LastChecksum = checksum;
        // Another record will stand where one of these did.
        handles.Checksums.Clear();
    }

    /// <summary>What is read from now on is verified by what stands in the file, not by what is remembered of it.</summary>
    public void ForgetChecksums() => handles.Checksums.Clear();

    /// <summary>Why the header on the disk is not the one that was read when the segment was opened, or null.</summary>
    public string? WhyHeaderIsDamaged()
    {
        try
        {
            using var lease = new Lease(handle);
            return SegmentHeader.Read(lease.File) == Header ? null : $"{Path}, offset 0: the header is that of another segment";
        }
        catch (Exception e) when (e is JournalDamagedException or IOException)
        {
            return e.Message;
        }
    }

    /// <summary>The records of a commit.</summary>
    /// <param name="commitBytes">From its frame to where the next one may begin.</param>
    /// <exception cref="ProtocolException">One does not parse, or its header does not verify.</exception>
    /// <exception cref="JournalDamagedException">One has its payload where it cannot be.</exception>
    private List<StoredRecord> ReadRecords(ref MessagePackReader reader, byte[] body, int count, SegmentCursor at, long commitBytes, out long payloadStart)
    {
        var stored = new List<StoredRecord>();
        payloadStart = at.PayloadStart;
        for (var i = 0; i < count; i++)
        {
            var recordAt = at.RecordsEnd + SegmentLayout.FramePrefixBytes + reader.Position;
            var record = Record.Read(ref reader, body, out var place);
            if (place >= 0)
            {
                if (place < at.RecordsEnd + commitBytes || place > at.PayloadStart - record.PayloadLength || !Sectors.IsAligned(place, SegmentLayout.PackedAlignment))
                    throw new JournalDamagedException(Path, at.RecordsEnd, $"record {record.Header.Sequence} has its payload at {place}, which is outside the payload area");
                payloadStart = Math.Min(payloadStart, place);
            }
            else if (record.PayloadLength > 0)
            {
                place = at.RecordsEnd + SegmentLayout.FramePrefixBytes + reader.Position - record.PayloadLength;
            }

            stored.Add(new StoredRecord(record, new CommitPlace(Serial, at.Commits), (uint)(recordAt + HeadBytes(record.EncodedHeader.Length)), place));
        }

        return stored;
    }

    /// <summary>The body of the commit at <paramref name="offset"/>, or null where no whole commit of this use of the file stands there.</summary>
    private byte[]? ReadOwnBody(long offset, long end, out uint checksum)
    {
        checksum = 0;
        using var lease = new Lease(handle);
        Span<byte> head = stackalloc byte[SegmentLayout.FramePrefixBytes + CommitHeader.BytesMax];
        head = head[..(int)Math.Min(head.Length, Math.Max(0, end - offset))];
        head = head[..lease.File.Read(offset, head)];
        if (!Frame.TryReadPrefix(head, SegmentLayout.CommitMagic, out checksum, out var bodyBytes) || bodyBytes > end - offset - SegmentLayout.FramePrefixBytes) return null;
        if (!CommitHeader.IsOf(head[SegmentLayout.FramePrefixBytes..], Header)) return null;
        var body = new byte[bodyBytes];
        handles.CountRead(head.Length + bodyBytes);
        return lease.File.Read(offset + SegmentLayout.FramePrefixBytes, body) == body.Length && Crc32C.Compute(body) == checksum ? body : null;
    }
}
