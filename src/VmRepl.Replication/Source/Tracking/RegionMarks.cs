using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Replication.Source.Tracking;

/// <summary>
/// The marks of one disk in a mapped file: by sector in a page for each bucket of 16 MiB, or, where pages ran short, by segment.
/// <para>The host may write the file's pages back in any order. So a bucket that collapses keeps its page until the segments' bits are durable (<see cref="TryBeginGivingBack"/>): at each moment the union of
/// both on the disk holds every mark that was durable before. A mark that is newer than that is the activity log's to remember.</para>
/// Not safe for concurrent use.
/// </summary>
internal sealed partial class RegionMarks
{
    private readonly MarksLayout layout;
    private readonly IHostMemory memory;
    private readonly ChunkCounters counters;
    private readonly int exactMax;

    private readonly BucketState[] states;

    // By bucket: marked sectors (exact) or segments (collapsed); chunks under way; whether it was marked since the search for one to collapse came by.
    private readonly ushort[] marked;
    private readonly ushort[] underWay;
    private readonly bool[] touched;

    // Exact buckets in the order in which they are asked to collapse; one that was touched meanwhile goes to the end once.
    private readonly Queue<int> exact = new();

    // Collapsed buckets whose page is still there: those that wait for a flush, so that many share one, and those of the flush that is under way or done.
    private HashSet<int> retired = [];
    private HashSet<int> leaving = [];
    private bool isGivingBack;

    // A bit for each segment of a collapsed bucket with marks of which no write under way knows: no end of a write clears it. Made with the first collapse.
    private ulong[]? stuck;

    public RegionMarks(MarksLayout layout, IHostMemory memory, ChunkCounters counters, int exactMax)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(exactMax);
        this.layout = layout;
        this.memory = memory;
        this.counters = counters;
        this.exactMax = exactMax;
        states = new BucketState[layout.BucketCount];
        marked = new ushort[layout.BucketCount];
        underWay = new ushort[layout.BucketCount];
        touched = new bool[layout.BucketCount];
    }

    /// <summary>Marked sectors, those of marked segments included.</summary>
    public long SectorCount { get; private set; }

    /// <summary>Sectors that are marked only because their segment is.</summary>
    public long SegmentSectorCount { get; private set; }

    /// <summary>Buckets with a page.</summary>
    public int ExactCount => exact.Count;

    /// <summary>Bytes of the process's own memory.</summary>
    public long MemoryBytes => (layout.BucketCount * (long)(sizeof(BucketState) + (2 * sizeof(ushort)) + sizeof(bool))) + ((stuck?.LongLength ?? 0) * sizeof(ulong)) + counters.MemoryBytes;

    /// <summary>The segments' bits cannot be made durable: pages are no longer given back. Null while they can.</summary>
    public IOException? Failure { get; private set; }

    /// <summary>Marks a range and counts a write of each of its chunks.</summary>
    /// <param name="extent">Whole sectors of the disk.</param>
    public void Begin(Extent extent)
    {
        for (var at = extent.Offset; at < extent.End;)
        {
            var bucket = (int)(at / MarksLayout.BucketBytes);
            var within = at % MarksLayout.BucketBytes;
            var length = Math.Min(extent.End - at, MarksLayout.BucketBytes - within);
            Mark(bucket, (int)(within / MarksLayout.SectorBytes), (int)(length / MarksLayout.SectorBytes));
            var last = (at + length - 1) / MarksLayout.ChunkBytes;
            for (var chunk = at / MarksLayout.ChunkBytes; chunk <= last; chunk++)
            {
                if (counters.Increment(chunk) == 1) underWay[bucket]++;
            }

            at += length;
        }
    }

    /// <summary>Counts a write of each chunk of the range as ended; where it was the last one and <paramref name="clean"/>, the chunk's marks go.</summary>
    public void End(Extent extent, bool clean)
    {
        var last = (extent.End - 1) / MarksLayout.ChunkBytes;
        for (var chunk = extent.Offset / MarksLayout.ChunkBytes; chunk <= last; chunk++)
        {
            var left = counters.Decrement(chunk);
            var bucket = (int)(chunk / MarksLayout.ChunksPerBucket);
            if (left == 0) underWay[bucket]--;
#if SIMULATION_PLANTS
            if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.DirtyBitClearedByFirstAck)) left = 0;
#endif
            if (!clean) Stick(bucket, SegmentOf(chunk));
            else if (left == 0) ClearChunk(bucket, (int)(chunk % MarksLayout.ChunksPerBucket));
        }
    }

    /// <summary>Marks a range that no write is about.</summary>
    public void Add(Extent extent)
    {
        for (var at = extent.Offset; at < extent.End;)
        {
            var bucket = (int)(at / MarksLayout.BucketBytes);
            var within = at % MarksLayout.BucketBytes;
            var length = Math.Min(extent.End - at, MarksLayout.BucketBytes - within);
            Mark(bucket, (int)(within / MarksLayout.SectorBytes), (int)(length / MarksLayout.SectorBytes));
            for (var segment = (int)(within / MarksLayout.SegmentBytes); segment <= (within + length - 1) / MarksLayout.SegmentBytes; segment++) Stick(bucket, segment);
            at += length;
        }
    }

    /// <summary>Marks the whole disk, by segment.</summary>
    public void AddAll()
    {
        exact.Clear();
        SectorCount = SegmentSectorCount = layout.DiskLength / MarksLayout.SectorBytes;
        for (var bucket = 0; bucket < layout.BucketCount; bucket++)
        {
            if (states[bucket] == BucketState.Exact) retired.Add(bucket);
            states[bucket] = BucketState.Collapsed;
            marked[bucket] = (ushort)layout.SegmentsIn(bucket);
            _ = MarkBits.Set(Segments(bucket), 0, layout.SegmentsIn(bucket));
            for (var segment = 0; segment < layout.SegmentsIn(bucket); segment++) Stick(bucket, segment);
        }
    }

    /// <summary>Clears the marks of the whole chunks of a range (whole segments in a collapsed bucket) of which no write is under way; where one is, its end decides about all of the segment again.</summary>
    public void Clear(Extent extent)
    {
        var end = extent.End >= layout.DiskLength ? layout.DiskLength : Sectors.AlignDown(extent.End, MarksLayout.ChunkBytes);
        for (var at = Sectors.AlignUp(extent.Offset, MarksLayout.ChunkBytes); at < end;)
        {
            var bucket = (int)(at / MarksLayout.BucketBytes);
            var start = (long)bucket * MarksLayout.BucketBytes;
            var part = Extent.FromEnds(at - start, Math.Min(end - start, MarksLayout.BucketBytes));
            if (marked[bucket] > 0)
            {
                if (states[bucket] == BucketState.Exact) ClearSectors(bucket, part);
                else ClearSegments(bucket, part, reachesEnd: end == layout.DiskLength);
            }

            at = start + part.End;
        }
    }

    /// <summary>The marked sectors of a range of the disk, or the parts of marked segments.</summary>
    public void CopyTo(ExtentSet target, Extent window)
    {
        var end = Math.Min(window.End, layout.DiskLength);
        for (var at = window.Offset; at < end;)
        {
            var bucket = (int)(at / MarksLayout.BucketBytes);
            var start = (long)bucket * MarksLayout.BucketBytes;
            var bucketEnd = Math.Min(end, start + MarksLayout.BucketBytes);
            if (marked[bucket] > 0)
            {
                var isExact = states[bucket] == BucketState.Exact;
                var unit = isExact ? MarksLayout.SectorBytes : MarksLayout.SegmentBytes;
                var bits = isExact ? memory.Page(layout.SectorPage(bucket)) : memory.Page(MarksLayout.SegmentPage(bucket)).Slice(MarksLayout.SegmentOffset(bucket), MarksLayout.BucketSegmentBytes);
                for (var first = MarkBits.Next(bits, (int)((at - start) / unit), set: true); start + ((long)first * unit) < bucketEnd && first < bits.Length * 8;)
                {
                    var next = MarkBits.Next(bits, first, set: false);
                    target.Add(Extent.FromEnds(Math.Max(at, start + ((long)first * unit)), Math.Min(bucketEnd, start + ((long)next * unit))));
                    first = MarkBits.Next(bits, next, set: true);
                }
            }

            at = bucketEnd;
        }
    }

    private static int SegmentOf(long chunk) => (int)(chunk % MarksLayout.ChunksPerBucket) / MarksLayout.ChunksPerSegment;

    private Span<byte> Segments(int bucket) => memory.WritablePage(MarksLayout.SegmentPage(bucket)).Slice(MarksLayout.SegmentOffset(bucket), MarksLayout.BucketSegmentBytes);

    private void Mark(int bucket, int first, int count)
    {
        if (states[bucket] == BucketState.Empty) states[bucket] = TryTakePage(bucket) ? BucketState.Exact : BucketState.Collapsed;
        touched[bucket] = true;
        if (states[bucket] == BucketState.Exact)
        {
            var added = MarkBits.Set(memory.WritablePage(layout.SectorPage(bucket)), first, count);
            marked[bucket] += (ushort)added;
            SectorCount += added;
            return;
        }

        var segments = Segments(bucket);
        for (var segment = first / MarksLayout.SectorsPerSegment; segment <= (first + count - 1) / MarksLayout.SectorsPerSegment; segment++)
        {
            if (!MarkBits.IsSet(segments, segment)) AddSegment(bucket, segments, segment);
        }
    }

    private void AddSegment(int bucket, Span<byte> segments, int segment)
    {
        _ = MarkBits.Set(segments, segment, 1);
        marked[bucket]++;
        SectorCount += layout.SectorsIn(bucket, segment);
        SegmentSectorCount += layout.SectorsIn(bucket, segment);
    }
}
