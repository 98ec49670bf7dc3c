using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Index;
using VmRepl.Journal.Sharing;
using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Segments;

/// <summary>
/// One segment. States: <em>tail</em> (commits are added), <em>closed</em> (only read; its file is opened when it is needed), <em>retired</em> (unlinked; readers that resolved into it before may finish).
/// Nothing of what is in it is kept in memory.
/// Crash cases: a torn commit fails its checksum or its payloads', and was not acknowledged; everything before it was flushed before it was written.
/// Writes come from one writer; reads may be concurrent.
/// </summary>
internal sealed partial class SegmentFile : IDisposable
{
    private const int ScanBytes = 1 << 20;

    private static readonly byte[] Padding = new byte[SegmentLayout.PayloadAlignment];

    private readonly SegmentHandles handles;
    private readonly SegmentHandles.Handle handle;
    private int readers;
    private long punchedBytes;
    private bool retired;

    private SegmentFile(string path, SegmentHeader header, SegmentHandles handles, Func<IHostFile> open)
    {
        Path = path;
        Header = header;
        this.handles = handles;
        handle = new SegmentHandles.Handle(handles, open);
        End = new SegmentCursor(SegmentLayout.HeaderBytes, header.SegmentBytes, 0);
        LastChecksum = header.Previous;
    }

    public SegmentHeader Header { get; }

    public ulong Serial => Header.Serial;

    public string Path { get; }

    /// <summary>Behind the last commit.</summary>
    public SegmentCursor End { get; private set; }

    /// <summary>Where the next commit goes.</summary>
    public long RecordsEnd => End.RecordsEnd;

    /// <summary>Where the payload area begins.</summary>
    public long PayloadStart => End.PayloadStart;

    public uint CommitCount => End.Commits;

    /// <summary>Checksum of the last commit; where there is none, of the last one before the segment.</summary>
    public uint LastChecksum { get; private set; }

    /// <summary>The store's incarnation at the last commit.</summary>
    public ulong Incarnation { get; private set; }

    /// <summary>Newest sequence of the stream in this or an earlier segment.</summary>
    public ulong LastSequence { get; set; }

    /// <summary>Source time of that record, microseconds since 1970.</summary>
    public long LastTimeUs { get; set; }

    /// <summary>Makes a segment. It gets its name only when its header is durable, so that a crash leaves a spare file or a whole segment.</summary>
    /// <param name="spare">A file to use again, or null. Its contents stay, so that a commit overwrites and need not grow the file; its nonce tells them apart.</param>
    public static SegmentFile Create(IHostDirectory directory, string? spare, SegmentHeader header, SegmentHandles handles)
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
        var made = Open(directory, name, HostFileAccess.ReadWrite, handles);
        if (spare is not null) (made.writtenTo, made.writtenFrom) = (header.SegmentBytes, 0);
        return made;
    }

    /// <summary>Opens a segment of which nothing is known yet; its file stays open.</summary>
    /// <exception cref="JournalDamagedException">Its header does not verify, and its first commit does not say what stood there.</exception>
    public static SegmentFile Open(IHostDirectory directory, string name, HostFileAccess access, SegmentHandles? handles = null)
    {
        var file = OpenFile(directory, name, access);
        try
        {
            var header = ReadHeader(file, name);
            IHostFile? first = file;
            var own = handles ?? new SegmentHandles();
            var segment = new SegmentFile(file.Path, header, own, () => Interlocked.Exchange(ref first, null) ?? Reopen(directory, name, access, header, own));
            segment.handle.Keep();
            return segment;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>A segment of which an index file says what is in it. Nothing is read before it is needed; its header is verified then.</summary>
    /// <param name="end">Behind the last commit that is known of.</param>
    /// <param name="checksum">Of that commit.</param>
    public static SegmentFile Known(IHostDirectory directory, HostFileAccess access, SegmentHeader header, SegmentCursor end, uint checksum, ulong incarnation, SegmentHandles handles)
    {
        var name = SegmentLayout.FileName(header.Serial);
        return new SegmentFile(System.IO.Path.Combine(directory.Path, name), header, handles, () => Reopen(directory, name, access, header, handles)) { End = end, LastChecksum = checksum, Incarnation = incarnation };
    }

    /// <summary>Bytes that a record takes at most: in the records area, and in the payload area. In a small commit more of it may be in the records area, and no more in sum.</summary>
    public static (long Records, long Payload) SpaceFor(Record record)
    {
        const int wrapping = 16;
        return record.PayloadLength < SegmentLayout.InlinePayloadMax
            ? (record.EncodedHeader.Length + wrapping + record.PayloadLength, 0)
            : (record.EncodedHeader.Length + wrapping, PlaceBytes(record));
    }

    /// <summary>Whether a commit of that much more fits.</summary>
    public bool Fits(long recordBytes, long payloadBytes)
    {
        var commit = Sectors.AlignUp(SegmentLayout.FramePrefixBytes + CommitHeader.BytesMax + recordBytes, SegmentLayout.CommitAlignment);
        return RecordsEnd + commit <= Sectors.AlignDown(PayloadStart - payloadBytes, SegmentLayout.PayloadAlignment);
    }

    /// <summary>Writes one commit: the payloads, then the records that name them. Nothing is durable before <see cref="Flush"/>.</summary>
    /// <param name="sharing">What may fill a payload's place without writing it; null to write all.</param>
    /// <returns>The records as they are now found, and the commit's checksum.</returns>
    public (List<StoredRecord> Stored, uint Checksum) WriteCommit(IReadOnlyList<Record> records, ulong incarnation, uint previous, MessagePackWriter writer, ExtentSharing? sharing = null)
    {
        var isSmall = records.Sum(r => (long)r.PayloadLength) <= SegmentLayout.SmallCommitBytes;
        long wholeBytes = 0, packedBytes = 0;
        foreach (var record in records)
        {
            if (IsInline(record, isSmall)) continue;
            if (IsWhole(record)) wholeBytes += PlaceBytes(record);
            else packedBytes += PlaceBytes(record);
        }

        // Those on blocks of their own first, so that no room is lost between the two kinds.
        var payloadStart = wholeBytes + packedBytes == 0 ? PayloadStart : Sectors.AlignDown(PayloadStart - wholeBytes - packedBytes, SegmentLayout.PayloadAlignment);
        var (wholeAt, packedAt) = (payloadStart, payloadStart + wholeBytes);
        var (whole, packed) = (new List<(Record, long)>(), new List<(Record, long)>());
        var stored = new List<StoredRecord>(records.Count);

        Frame.Begin(writer, SegmentLayout.CommitMagic);
        new CommitHeader(Serial, Header.Nonce, incarnation, CommitCount, previous, records.Count).WriteTo(writer);
        foreach (var record in records)
        {
            long at = -1;
            var headerAt = RecordsEnd + writer.Length + HeadBytes(record.EncodedHeader.Length);
            if (!IsInline(record, isSmall))
            {
                ref var next = ref IsWhole(record) ? ref wholeAt : ref packedAt;
                at = next;
                next += PlaceBytes(record);
                record.WriteHeaderTo(writer, at);
                (IsWhole(record) ? whole : packed).Add((record, at));
            }
            else
            {
                record.WriteTo(writer);
                if (record.PayloadLength > 0) at = RecordsEnd + writer.Length - record.PayloadLength;
            }

            stored.Add(new StoredRecord(record, new CommitPlace(Serial, CommitCount), (uint)headerAt, at));
        }

        var checksum = Frame.End(writer);
        var commitBytes = Sectors.AlignUp(writer.Length, SegmentLayout.CommitAlignment);
        if (RecordsEnd + commitBytes > payloadStart) throw new InvalidOperationException($"{Path}: a commit of {commitBytes} + {wholeBytes + packedBytes} bytes was written past the free space");
        using var lease = new Lease(handle);
        PayloadArea.Write(this, lease.File, [.. whole, .. packed], PayloadStart, sharing);
        // Filled up to the end of a page: where a page is written in part, the host has to read it first, and a flush waits for that. The next commit writes over it, in a page that the host has.
        var written = RecordsEnd + writer.Length;
        lease.File.Write(RecordsEnd, [writer.WrittenMemory, Padding.AsMemory(0, (int)(Sectors.AlignUp(written, SegmentLayout.PayloadAlignment) - written))]);
        Advance(new SegmentCursor(RecordsEnd + commitBytes, payloadStart, CommitCount + 1), checksum, incarnation);
        return (stored, checksum);
    }

    /// <summary>Bytes that it takes on its volume at most: what was given back is not counted.</summary>
    public long HeldBytes => Header.SegmentBytes - punchedBytes;

    /// <summary>Whether somebody holds it for reading. Under the journal's index lock.</summary>
    public bool HasReaders => readers > 0;

    /// <summary>Gives a part of the payload area, which nobody needs any more, back to the volume. False where it takes nothing back.</summary>
    public bool TryPunch(Extent place)
    {
        using var lease = new Lease(handle);
        if (!lease.File.TryPunch(place.Offset, place.Length)) return false;
        punchedBytes += place.Length;
        return true;
    }

    /// <summary>At opening: what the volume has of it. The rest was given back, or never written.</summary>
    public void NoteAllocated(long bytes) => punchedBytes = Math.Clamp(Header.SegmentBytes - bytes, 0, Header.SegmentBytes);

    /// <summary>Lends the file for sharing extents with it. It is not to be written.</summary>
    public bool Lend(Func<IHostFile, bool> use)
    {
        using var lease = new Lease(handle);
        return use(lease.File);
    }

    public void Flush()
    {
        using var lease = new Lease(handle);
        lease.File.Flush();
    }

    /// <summary>Goes past a commit that was read.</summary>
    /// <param name="end">Behind it.</param>
    public void Advance(SegmentCursor end, uint checksum, ulong incarnation)
    {
        End = end;
        LastChecksum = checksum;
        Incarnation = incarnation;
    }

    /// <summary>
    /// Makes the segment fit to be written on: what stands at the end is no commit any more, so that it cannot be taken for one once others follow in the next segment;
    /// and everything read so far, which a process that was killed may have left unflushed, is durable.
    /// </summary>
    /// <param name="last">The last commit that was read; null where none was.</param>
    public void Settle(bool eraseNext, Commit? last)
    {
        handle.Keep();
        using var lease = new Lease(handle);
        if (eraseNext && PayloadStart - RecordsEnd >= SegmentLayout.CommitAlignment) lease.File.Write(RecordsEnd, Padding.AsSpan(0, SegmentLayout.CommitAlignment));
        // After a flush that failed, Linux shows what was written and counts it as clean: it may never reach the disk, and a flush that succeeds later says nothing about it.
        // What is read here is reported as durable, so the one commit that this can be about is written once more.
#if SIMULATION_PLANTS
        if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.TrustFailedFlush)) last = null;
#endif
        if (last is not null && last.Serial == Serial)
        {
            WriteAgain(lease.File, last.Before.RecordsEnd, RecordsEnd - last.Before.RecordsEnd);
            foreach (var record in last.Stored.Where(r => r.Ref.PayloadOffset >= RecordsEnd)) WriteAgain(lease.File, record.Ref.PayloadOffset, record.PayloadLength);
        }

        lease.File.Flush();
    }

    /// <summary>Nothing is written to it any more: its file may be closed while nobody reads it.</summary>
    public void Close() => handle.Unkeep();

    /// <summary>Keeps the file readable for somebody who resolved into it. Under the journal's index lock.</summary>
    public void AddReader() => readers++;

    /// <summary>Under the journal's index lock.</summary>
    public void ReleaseReader()
    {
        if (--readers == 0 && retired) handle.Dispose();
    }

    /// <summary>No reader will come any more. Under the journal's index lock. True where nobody reads, so that the file may be recycled.</summary>
    public bool Retire()
    {
        // First: the last reader closes the file, also where it cannot be opened here.
        retired = true;
        if (readers > 0)
        {
            // Its name goes: whoever reads it needs the file that is open.
            handle.Keep();
            return false;
        }

        handle.Dispose();
        return true;
    }

    public void Dispose() => handle.Dispose();

    private static IHostFile OpenFile(IHostDirectory directory, string name, HostFileAccess access)
    {
        var file = directory.Open(name, access);
        file.LeaveReadTime();
        return file;
    }

    private static IHostFile Reopen(IHostDirectory directory, string name, HostFileAccess access, SegmentHeader header, SegmentHandles handles)
    {
        var file = OpenFile(directory, name, access);
        handles.CountRead(SegmentLayout.HeaderBytes);
        try
        {
            // One that has been damaged since says nothing: what is read behind it has checksums of its own.
            return !SegmentHeader.Verifies(file) || SegmentHeader.Read(file) == header ? file : throw new JournalDamagedException(file.Path, 0, "the header is that of another segment");
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static SegmentHeader ReadHeader(IHostFile file, string name) =>
        !SegmentHeader.Verifies(file) && SegmentLayout.TryParseName(name, out var serial) && SegmentHeader.Rebuild(file, serial) is { } rebuilt ? rebuilt : SegmentHeader.Read(file);

    /// <summary>A payload of more than one chunk never is: its checksums are read from its header alone.</summary>
    private static bool IsInline(Record record, bool isSmallCommit) =>
        record.PayloadLength < SegmentLayout.InlinePayloadMax || (isSmallCommit && record.PayloadLength == SegmentLayout.InlinePayloadMax);

    /// <summary>Whether the payload has blocks of the volume for itself: it may share them, or parts of it be given back.</summary>
    private static bool IsWhole(Record record) =>
        record.Header.Kind == RecordKind.HandDown || record.PayloadLength >= SegmentLayout.ShareableBytesMin || Sectors.IsAligned(record.PayloadLength, SegmentLayout.PayloadAlignment);

    private static long PlaceBytes(Record record) => Sectors.AlignUp(record.PayloadLength, IsWhole(record) ? SegmentLayout.PayloadAlignment : SegmentLayout.PackedAlignment);

    private static void WriteAgain(IHostFile file, long offset, long length)
    {
        using var buffer = PooledBuffer.Rent((int)Math.Min(length, ScanBytes));
        for (long done = 0; done < length; done += buffer.Span.Length)
        {
            var part = buffer.Span[..(int)Math.Min(buffer.Span.Length, length - done)];
            file.ReadExactly(offset + done, part);
            file.Write(offset + done, part);
        }
    }

    /// <summary>Bytes of a record before its encoded header: array(3), and the bin's head.</summary>
    private static int HeadBytes(int headerLength) => 1 + (headerLength <= byte.MaxValue ? 2 : headerLength <= ushort.MaxValue ? 3 : 5);

    /// <summary>The file for as long as it is needed.</summary>
    private readonly ref struct Lease(SegmentHandles.Handle handle)
    {
        public IHostFile File { get; } = handle.Acquire();

        public void Dispose() => handle.Release();
    }
}
