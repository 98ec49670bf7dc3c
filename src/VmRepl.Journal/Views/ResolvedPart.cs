using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Views;

/// <summary>
/// Where one part of a chunk comes from, in 12 bytes, so that the chunks of a disk stay in the processor's caches. It ends where the next one begins.
/// <code>
/// Word  Bits   Field
/// 0     32     place of the payload in the segment's file; of the reference in the chunk's words where that is kept
/// 1     32     CRC-32C of the payload
/// 2     0–7    first sector within the chunk
///       8–9    kind
///       10–12  sectors of the payload before the part
///       13–15  sectors of the payload, less one
///       16     the live image held the same when it was resolved
///       17–31  number of the segment
/// </code>
/// </summary>
internal readonly struct ResolvedPart
{
    public const int Words = 3;

    /// <summary>The word that begins with the part's start.</summary>
    public const int ShapeWord = 2;

    /// <summary>Bits of a segment's number.</summary>
    public const int SegmentBits = 15;

    private const int KindShift = 8, BeforeShift = 10, SectorsShift = 13, InLiveShift = 16, SegmentShift = 17;

    private readonly uint shape;

    public ResolvedPart(ReadOnlySpan<uint> words) => (Place, Checksum, shape) = (words[0], words[1], words[ShapeWord]);

    private ResolvedPart(uint place, uint checksum, uint shape) => (Place, Checksum, this.shape) = (place, checksum, shape);

    /// <param name="chunkOffset">First byte of the chunk on the disk.</param>
    /// <param name="segment">Number of the source's segment, where it has one.</param>
    /// <param name="reference">Where its reference stands, if it needs one.</param>
    public ResolvedPart(in ContentSource source, long chunkOffset, ushort segment, uint reference)
    {
        var kind = KindOf(source);
        shape = (uint)((source.Range.Offset - chunkOffset) / Sectors.Size) | ((uint)kind << KindShift) | ((uint)segment << SegmentShift);
        if (kind == ResolvedPartKind.Small)
        {
            var record = source.Record!.Value;
            (Place, Checksum) = (record.PayloadOffset, record.FirstChecksum);
            if (!source.IsTouchedAfter) shape |= 1u << InLiveShift;
            shape |= ((uint)((source.Range.Offset - record.Offset) / Sectors.Size) << BeforeShift) | ((uint)((record.PayloadLength / Sectors.Size) - 1) << SectorsShift);
        }
        else if (kind == ResolvedPartKind.Referred)
        {
            Place = reference;
        }
    }

    /// <summary>Whether it is one, and not zeros.</summary>
    public bool IsKnown => shape != 0;

    public uint Place { get; }

    public uint Checksum { get; }

    public ResolvedPartKind Kind => (ResolvedPartKind)((shape >> KindShift) & 3);

    /// <summary>First byte within the chunk.</summary>
    public int Start => StartOf(shape);

    /// <summary>Bytes of the payload before the part.</summary>
    public int BytesBefore => (int)((shape >> BeforeShift) & 7) * Sectors.Size;

    /// <summary>Bytes of the whole payload.</summary>
    public int PayloadBytes => (int)(((shape >> SectorsShift) & 7) + 1) * Sectors.Size;

    /// <summary>Whether the live image held the same when it was resolved, and does until a record touches the region. Of a <see cref="ResolvedPartKind.Small"/> one only.</summary>
    public bool IsInLive => (shape & (1u << InLiveShift)) != 0;

    /// <summary>Number of the segment.</summary>
    public int Segment => (int)(shape >> SegmentShift);

    /// <summary>One that somebody may be writing, the shape last: it is read first, so that the rest belongs to it.</summary>
    public static ResolvedPart Read(ReadOnlySpan<uint> words)
    {
        var shape = Volatile.Read(in words[ShapeWord]);
        return new ResolvedPart(words[0], words[1], shape);
    }

    public static bool NeedsReference(in ContentSource source) => KindOf(source) == ResolvedPartKind.Referred;

    /// <summary>The first byte, within the chunk, of a part with that <see cref="ShapeWord"/>.</summary>
    public static int StartOf(uint shape) => (byte)shape * Sectors.Size;

    /// <summary>Writes where the last part ends, as a start.</summary>
    /// <param name="end">Byte within the chunk.</param>
    public static void WriteEnd(Span<uint> words, int end) => words[ShapeWord] = (uint)(end / Sectors.Size);

    public void WriteTo(Span<uint> words) => (words[0], words[1], words[ShapeWord]) = (Place, Checksum, shape);

    private static ResolvedPartKind KindOf(in ContentSource source) => source.Record switch
    {
        null => ResolvedPartKind.Live,
        { Content: RecordContent.Zero or RecordContent.Hole } => ResolvedPartKind.Zeros,
        { Content: RecordContent.Payload, PayloadLength: > 0 and <= RecordLimits.ChecksumChunkBytes and var length } when length % Sectors.Size == 0 => ResolvedPartKind.Small,
        _ => ResolvedPartKind.Referred,
    };
}
