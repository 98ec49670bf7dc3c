using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Replication.Source.Tracking;

/// <summary>
/// Units, and where what lies in a marks file: the header's page; a bit for each segment, 32 bytes a bucket; for each bucket the page of its sectors, a bit each. Pages of 4 KiB.
/// docs/replication.md, Tracking, has it to the byte.
/// </summary>
internal sealed class MarksLayout
{
    public const int SectorBytes = Sectors.Size;
    public const int ChunkBytes = 4 << 10;
    public const int SegmentBytes = 64 << 10;
    public const int BucketBytes = 16 << 20;
    public const int PageBytes = IHostMemory.PageBytes;

    public const int SectorsPerChunk = ChunkBytes / SectorBytes;
    public const int SectorsPerSegment = SegmentBytes / SectorBytes;
    public const int SectorsPerBucket = BucketBytes / SectorBytes;
    public const int ChunksPerSegment = SegmentBytes / ChunkBytes;
    public const int ChunksPerBucket = BucketBytes / ChunkBytes;
    public const int SegmentsPerBucket = BucketBytes / SegmentBytes;

    /// <summary>Of the segments' bits of one bucket.</summary>
    public const int BucketSegmentBytes = SegmentsPerBucket / 8;

    private const int BucketsPerSegmentPage = PageBytes / BucketSegmentBytes;

    /// <exception cref="ArgumentOutOfRangeException">No disk has that length: it is not positive, not whole sectors, or more than 2^46 bytes.</exception>
    public MarksLayout(long diskLength)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(diskLength);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(diskLength, 1L << 46);
        if (!Sectors.IsAligned(diskLength, SectorBytes)) throw new ArgumentOutOfRangeException(nameof(diskLength), diskLength, "not whole sectors");
        DiskLength = diskLength;
        BucketCount = (int)((diskLength + BucketBytes - 1) / BucketBytes);
        SegmentPageCount = (BucketCount + BucketsPerSegmentPage - 1) / BucketsPerSegmentPage;
    }

    public long DiskLength { get; }

    public int BucketCount { get; }

    /// <summary>Pages of segments' bits, which follow the header.</summary>
    public int SegmentPageCount { get; }

    /// <summary>The header and the segments' bits: what always has its space.</summary>
    public int FixedPageCount => 1 + SegmentPageCount;

    public long FileLength => ((long)FixedPageCount + BucketCount) * PageBytes;

    public static int SegmentPage(int bucket) => 1 + (bucket / BucketsPerSegmentPage);

    /// <summary>Of a bucket's segment bits in their page.</summary>
    public static int SegmentOffset(int bucket) => bucket % BucketsPerSegmentPage * BucketSegmentBytes;

    public long SectorPage(int bucket) => (long)FixedPageCount + bucket;

    /// <summary>Sectors of the disk in a bucket; fewer in the last.</summary>
    public int SectorsIn(int bucket) => (int)Math.Min(SectorsPerBucket, (DiskLength - ((long)bucket * BucketBytes)) / SectorBytes);

    /// <summary>Sectors of the disk in a segment of a bucket; fewer in the last.</summary>
    public int SectorsIn(int bucket, int segment) => Math.Clamp(SectorsIn(bucket) - (segment * SectorsPerSegment), 0, SectorsPerSegment);

    /// <summary>Segments of the disk in a bucket; fewer in the last.</summary>
    public int SegmentsIn(int bucket) => (SectorsIn(bucket) + SectorsPerSegment - 1) / SectorsPerSegment;
}
