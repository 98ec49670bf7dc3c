using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Segments;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Views;

/// <summary>
/// Where one part of a chunk comes from, in 24 bytes, so that the chunks of a disk stay in the processor's caches: a random read finds its place in two or three lines of them.
/// A payload that the index has the checksum of is told by place and checksum; of any other the whole reference is kept beside.
/// </summary>
internal readonly struct ResolvedPart
{
    private const byte Small = 0, Live = 1, Zeros = 2, Referred = 3;

    private readonly SegmentFile? segment;
    private readonly uint place;
    private readonly uint checksum;
    private readonly byte start;
    private readonly byte end;
    private readonly byte before;
    private readonly byte payloadSectors;
    private readonly byte kind;

    /// <param name="chunkOffset">First byte of the chunk on the disk.</param>
    /// <param name="references">Takes the reference, where it has to be kept.</param>
    public ResolvedPart(in ContentSource source, long chunkOffset, List<RecordRef> references)
    {
        start = (byte)((source.Range.Offset - chunkOffset) / Sectors.Size);
        end = (byte)((source.Range.End - chunkOffset) / Sectors.Size);
        segment = source.Segment;
        if (source.Record is not { } record)
        {
            kind = Live;
        }
        else if (record.Content is RecordContent.Zero or RecordContent.Hole)
        {
            kind = Zeros;
        }
        else if (record.Content == RecordContent.Payload && record.PayloadLength is > 0 and <= RecordLimits.ChecksumChunkBytes && record.PayloadLength % Sectors.Size == 0)
        {
            (kind, place, checksum) = (Small, record.PayloadOffset, record.FirstChecksum);
            before = (byte)((source.Range.Offset - record.Offset) / Sectors.Size);
            payloadSectors = (byte)(record.PayloadLength / Sectors.Size);
        }
        else
        {
            (kind, place) = (Referred, (uint)references.Count);
            references.Add(record);
        }
    }

    /// <summary>First byte within the chunk.</summary>
    public int Start => start * Sectors.Size;

    /// <summary>Byte behind the last one, within the chunk.</summary>
    public int End => end * Sectors.Size;

    /// <summary>Reads a range that lies within the part. False where what is there does not verify; who asks with the segment held learns which record that is.</summary>
    /// <param name="chunkOffset">First byte of the chunk on the disk.</param>
    public bool TryRead(Extent range, long chunkOffset, Span<byte> target, IBlockDevice live, RecordRef[] references)
    {
        switch (kind)
        {
            case Small:
                return segment!.TryReadSmall(place, payloadSectors * Sectors.Size, checksum, (int)(range.Offset - chunkOffset) - Start + (before * Sectors.Size), target);
            case Live:
                live.Read(range.Offset, target);
                return true;
            case Zeros:
                target.Clear();
                return true;
            default:
                segment!.Read(references[place], range, target);
                return true;
        }
    }
}
