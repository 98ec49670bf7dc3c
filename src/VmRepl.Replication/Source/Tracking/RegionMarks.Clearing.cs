using VmRepl.Blocks;

namespace VmRepl.Replication.Source.Tracking;

/// <summary>How marks go.</summary>
internal sealed partial class RegionMarks
{
    private void ClearChunk(int bucket, int chunk)
    {
        if (states[bucket] == BucketState.Exact)
        {
            var cleared = MarkBits.Clear(memory.WritablePage(layout.SectorPage(bucket)), chunk * MarksLayout.SectorsPerChunk, MarksLayout.SectorsPerChunk);
            marked[bucket] -= (ushort)cleared;
            SectorCount -= cleared;
            return;
        }

        var segment = chunk / MarksLayout.ChunksPerSegment;
        if (!IsStuck(bucket, segment) && !IsUnderWay(bucket, segment)) ClearSegment(bucket, segment);
    }

    private void ClearSectors(int bucket, Extent part)
    {
        var page = memory.WritablePage(layout.SectorPage(bucket));
        var before = marked[bucket];
        if (underWay[bucket] == 0)
        {
            marked[bucket] -= (ushort)MarkBits.Clear(page, (int)(part.Offset / MarksLayout.SectorBytes), (int)(Sectors.AlignUp(part.Length, MarksLayout.SectorBytes) / MarksLayout.SectorBytes));
        }
        else
        {
            var first = (long)bucket * MarksLayout.ChunksPerBucket;
            for (var chunk = (int)(part.Offset / MarksLayout.ChunkBytes); chunk <= (part.End - 1) / MarksLayout.ChunkBytes; chunk++)
            {
                // A chunk's sectors are one byte.
                if (page[chunk] != 0 && counters[first + chunk] == 0) marked[bucket] -= (ushort)MarkBits.Clear(page, chunk * MarksLayout.SectorsPerChunk, MarksLayout.SectorsPerChunk);
            }
        }

        SectorCount -= before - marked[bucket];
    }

    private void ClearSegments(int bucket, Extent part, bool reachesEnd)
    {
        var first = (int)((part.Offset + MarksLayout.SegmentBytes - 1) / MarksLayout.SegmentBytes);
        var end = reachesEnd && bucket == layout.BucketCount - 1 ? layout.SegmentsIn(bucket) : (int)(part.End / MarksLayout.SegmentBytes);
        var segments = memory.Page(MarksLayout.SegmentPage(bucket)).Slice(MarksLayout.SegmentOffset(bucket), MarksLayout.BucketSegmentBytes);
        for (var segment = first; segment < end; segment++)
        {
            Unstick(bucket, segment);
            if (MarkBits.IsSet(segments, segment) && !IsUnderWay(bucket, segment)) ClearSegment(bucket, segment);
        }
    }

    private void ClearSegment(int bucket, int segment)
    {
        if (MarkBits.Clear(Segments(bucket), segment, 1) == 0) return;
        SectorCount -= layout.SectorsIn(bucket, segment);
        SegmentSectorCount -= layout.SectorsIn(bucket, segment);
        // The page that it had, while it is still there: an opening would take both for marked.
        if (retired.Contains(bucket) || leaving.Contains(bucket)) _ = MarkBits.Clear(memory.WritablePage(layout.SectorPage(bucket)), segment * MarksLayout.SectorsPerSegment, MarksLayout.SectorsPerSegment);
        if (--marked[bucket] == 0) states[bucket] = BucketState.Empty;
    }

    private bool IsUnderWay(int bucket, int segment)
    {
        if (underWay[bucket] == 0) return false;
        var first = ((long)bucket * MarksLayout.ChunksPerBucket) + (segment * MarksLayout.ChunksPerSegment);
        for (var chunk = first; chunk < first + MarksLayout.ChunksPerSegment; chunk++)
        {
            if (counters[chunk] > 0) return true;
        }

        return false;
    }

    /// <summary>In a collapsed bucket: there is something in the segment that the replica does not have, or may not.</summary>
    private void Stick(int bucket, int segment)
    {
        if (states[bucket] != BucketState.Collapsed) return;
        stuck ??= new ulong[(long)layout.BucketCount * MarksLayout.SegmentsPerBucket / 64];
        stuck[StuckWord(bucket, segment)] |= 1UL << (segment & 63);
    }

    private void Unstick(int bucket, int segment)
    {
        if (stuck is not null) stuck[StuckWord(bucket, segment)] &= ~(1UL << (segment & 63));
    }

    private bool IsStuck(int bucket, int segment) => stuck is not null && (stuck[StuckWord(bucket, segment)] >> (segment & 63) & 1) != 0;

    private static long StuckWord(int bucket, int segment) => (((long)bucket * MarksLayout.SegmentsPerBucket) + segment) >> 6;
}
