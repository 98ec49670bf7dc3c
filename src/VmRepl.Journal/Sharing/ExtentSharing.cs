using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Index;
using VmRepl.Journal.Segments;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Sharing;

/// <summary>
/// Shared extents between a group's live images and its journal, in both directions: old contents into a segment in place of writing them, and new contents from a segment into the live image.
/// <para>States: unknown, and tried; refused once, and never tried again until the journal is opened anew. What is not shared is copied, by the caller.</para>
/// <para>Crash cases are those of a write to the same range: a clone is durable with the next flush of the file that it went into, and until then the range may hold anything. Both directions read
/// contents that are not changed before that flush: the live images stay as they are until the whole batch is durable, and a segment's payload is never written twice.</para>
/// </summary>
internal sealed class ExtentSharing(IReadOnlyDictionary<uint, IBlockDevice> live, JournalOptions options, JournalCounters counters)
{
    /// <summary>Each clone is a transaction of the file system and cuts its files into more extents: at this size that is about what it saves (docs/performance.md).</summary>
    public const int BytesMin = SegmentLayout.ShareableBytesMin;

    // No volume in use has a smaller block, and one with a larger block refuses.
    private const int Block = SegmentLayout.PayloadAlignment;

    // Where the records of the batch in hand have their payloads.
    private readonly Dictionary<ulong, (SegmentFile Segment, long Place)> places = [];
    private bool isRefused;

    /// <summary>Length of the next undo record of old contents from <paramref name="at"/> on: cut so that as much as possible of what is worth it can be shared.</summary>
    public int NextPiece(uint disk, long at, long end, int pieceBytes)
    {
        var whole = (int)Math.Min(pieceBytes, end - at);
        if (!options.ShareOldContents || isRefused || live[disk] is not IHostBacked device) return whole;
        var hostOffset = device.HostOffset + at;
        var head = (int)(Sectors.AlignUp(hostOffset, Block) - hostOffset);
        if (head > 0) return end - at - head >= BytesMin ? head : whole;
        var aligned = (int)Sectors.AlignDown(whole, Block);
        return aligned >= BytesMin ? aligned : whole;
    }

    /// <summary>Puts the payload of an undo record into its place by sharing. False where it has to be written.</summary>
    public bool TryStore(Record record, SegmentFile segment, IHostFile file, long place)
    {
        var header = record.Header;
        if (header.Kind == RecordKind.Write && options.ShareNewContents && record.PayloadLength >= BytesMin && !isRefused) places[header.Sequence] = (segment, place);
        if (header.Kind != RecordKind.Undo || !options.ShareOldContents || !IsWorthIt(header, out var device) || !Sectors.IsAligned(header.Length, Block)) return false;
        if (!Try(() => device.TryCloneTo(file, place, header.Offset, header.Length))) return false;
        counters.UndoBytesShared += header.Length;
        return true;
    }

    /// <summary>Whether <see cref="TryApply(Record)"/> may share for this record.</summary>
    public bool IsStored(Record record) => places.ContainsKey(record.Header.Sequence);

    /// <summary>Applies a write of the batch in hand by sharing what the journal has of it. False where it has to be written.</summary>
    public bool TryApply(Record record) =>
        places.TryGetValue(record.Header.Sequence, out var from) && TryApply(record.Header, from.Segment, from.Place, record.Payload[(int)Sectors.AlignDown(record.PayloadLength, Block)..]);

    /// <summary>The same at opening, for a record that was read from the journal.</summary>
    /// <exception cref="JournalDamagedException">Its payload does not verify.</exception>
    public bool TryRedo(SegmentFile segment, StoredRecord record)
    {
        var header = record.Header;
        if (!options.ShareNewContents || record.Ref.PayloadOffset == 0 || !Sectors.IsAligned(record.Ref.PayloadOffset, Block) || !IsWorthIt(header, out _)) return false;
        segment.Verify(record.Ref);
        var shared = Sectors.AlignDown(header.Length, Block);
        var tail = new byte[header.Length - shared];
        if (tail.Length > 0) segment.Read(record.Ref, new Extent(header.Offset + shared, tail.Length), tail);
        return TryApply(header, segment, record.Ref.PayloadOffset, tail);
    }

    /// <summary>The batch in hand is applied.</summary>
    public void Clear() => places.Clear();

    private bool TryApply(RecordHeader header, SegmentFile segment, long place, ReadOnlyMemory<byte> tail)
    {
        if (!IsWorthIt(header, out var device)) return false;
        var length = header.Length - tail.Length;
        if (!Try(() => segment.Lend(file => device.TryCloneFrom(file, place, header.Offset, length)))) return false;
        if (tail.Length > 0) live[header.Disk].Write(header.Offset + length, tail.Span);
        counters.AppliedBytesShared += length;
        return true;
    }

    private bool IsWorthIt(RecordHeader header, out IHostBacked device)
    {
        device = null!;
        if (isRefused || header.Length < BytesMin || live[header.Disk] is not IHostBacked backed) return false;
        device = backed;
        return Sectors.IsAligned(backed.HostOffset + header.Offset, Block);
    }

    private bool Try(Func<bool> clone)
    {
        try
        {
            isRefused = !clone();
        }
        catch (IOException)
        {
            // Whatever it is (no space for the extent's own records, too many sharers), the copy that follows overwrites the whole range, and reports what is wrong with the volume itself.
            isRefused = true;
        }

        return !isRefused;
    }
}
