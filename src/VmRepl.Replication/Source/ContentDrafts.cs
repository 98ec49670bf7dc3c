using VmRepl.Blocks;
using VmRepl.Protocol.Records;
using VmRepl.Replication.Digests;

namespace VmRepl.Replication.Source;

/// <summary>Makes records of what was read from a disk: runs of zero blocks become zero or punch records, as the source has them, the rest writes.</summary>
internal static class ContentDrafts
{
    private const int RecordBytesMax = 1 << 20;

    // The undo of a punch is all that it frees: in one record it would need room at the replica for all of it at once, or wait for ever. About 16 KiB on the wire for each GiB.
    private const long EmptyBytesMax = 4 << 20;

    /// <param name="drafts">Where they are put.</param>
    /// <param name="disk">The disk's number.</param>
    /// <param name="extent">What was read, on sectors.</param>
    /// <param name="memory">Where it lies.</param>
    /// <param name="start">Where the extent's contents begin in <paramref name="memory"/>.</param>
    /// <param name="zeros">What the source's format calls zeros; other zeros are holes.</param>
    /// <param name="skipZeros">Whether nothing is said of zeros, since the replica has nothing there.</param>
    public static void AddContents(List<RecordDraft> drafts, uint disk, Extent extent, RegionBuffer memory, int start, ExtentSet zeros, bool skipZeros)
    {
        const int grain = BlockDigest.LeafBytes;
        ReadOnlyMemory<byte> contents = memory.Memory.Slice(start, (int)extent.Length);
        for (var at = 0; at < contents.Length;)
        {
            var isZero = IsZeroAt(at);
            var end = Math.Min(at + grain, contents.Length);
            while (end < contents.Length && end - at < RecordBytesMax && IsZeroAt(end) == isZero) end = Math.Min(end + grain, contents.Length);
            var part = new Extent(extent.Offset + at, end - at);
            if (!isZero) drafts.Add(new RecordDraft(RecordKind.Write, disk, part.Offset, part.Length, contents[at..end], Memory: memory));
            else if (!skipZeros) AddEmpty(drafts, disk, part, zeros);
            at = end;
        }

        bool IsZeroAt(int offset) => Sectors.IsZero(contents.Span.Slice(offset, Math.Min(grain, contents.Length - offset)));
    }

    /// <summary>Adds zero and punch records for an extent that reads as zeros.</summary>
    public static void AddEmpty(List<RecordDraft> drafts, uint disk, Extent extent, ExtentSet zeros)
    {
        // Split where the source says "zeros" and where it says nothing, on sectors: a zero that is not allocated is a hole on the replica too.
        var at = extent.Offset;
        while (at < extent.End)
        {
            var rest = Extent.FromEnds(at, extent.End);
            var zero = zeros.Intersect(rest).FirstOrDefault(z => z.Length >= Sectors.Size);
            var (kind, end) = zero.IsEmpty ? (RecordKind.Punch, extent.End)
                : Sectors.AlignDown(zero.Offset, Sectors.Size) > at ? (RecordKind.Punch, Sectors.AlignDown(zero.Offset, Sectors.Size))
                : (RecordKind.Zero, Sectors.AlignUp(zero.End, Sectors.Size));
            end = Math.Min(Math.Min(end, extent.End), at + EmptyBytesMax);
            drafts.Add(new RecordDraft(kind, disk, at, end - at, default));
            at = end;
        }
    }
}
