namespace VmRepl.Replication.Source.Tracking;

/// <summary>Where the pages come from, and go.</summary>
internal sealed partial class RegionMarks
{
    /// <summary>Given back in one go, while everybody waits.</summary>
    private const int PagesAtOnce = 32;

    /// <summary>Takes over what a file holds, whose pages are in order (<see cref="MarksCheck"/>).</summary>
    /// <param name="pages">Buckets whose page has space.</param>
    public void Load(IReadOnlyList<int> pages)
    {
        for (var bucket = 0; bucket < layout.BucketCount; bucket++)
        {
            var segments = memory.Page(MarksLayout.SegmentPage(bucket)).Slice(MarksLayout.SegmentOffset(bucket), MarksLayout.BucketSegmentBytes);
            for (var segment = MarkBits.Next(segments, 0, set: true); segment < MarksLayout.SegmentsPerBucket; segment = MarkBits.Next(segments, segment + 1, set: true))
            {
                states[bucket] = BucketState.Collapsed;
                marked[bucket]++;
                SectorCount += layout.SectorsIn(bucket, segment);
                SegmentSectorCount += layout.SectorsIn(bucket, segment);
                Stick(bucket, segment);
            }
        }

        foreach (var bucket in pages)
        {
            if (states[bucket] == BucketState.Collapsed)
            {
                // It was collapsing, or had: what its page still has may not be durable by segment.
                MoveToSegments(bucket);
                retired.Add(bucket);
                continue;
            }

            states[bucket] = BucketState.Exact;
            marked[bucket] = (ushort)MarkBits.Count(memory.Page(layout.SectorPage(bucket)));
            SectorCount += marked[bucket];
            exact.Enqueue(bucket);
            while (exact.Count > exactMax) CollapseOne();
        }
    }

    /// <summary>
    /// First of three steps to give back the pages of buckets that have collapsed: those that have by now. Then the segments' bits are to be flushed, which needs no lock, and the end of that to be told to
    /// <see cref="GiveBack"/>. False where there are none, or somebody is at it.
    /// </summary>
    public bool TryBeginGivingBack()
    {
        if (retired.Count == 0 || isGivingBack || Failure is not null) return false;
        isGivingBack = true;
        (leaving, retired) = (retired, leaving);
        return true;
    }

    /// <summary>After the flush: gives back a few pages. To be called until it says that there are none left.</summary>
    /// <param name="failure">Why there was no flush; then they stay for good.</param>
    public bool GiveBack(IOException? failure)
    {
        if (failure is not null)
        {
            Failure = failure;
            retired.UnionWith(leaving);
            leaving.Clear();
        }

        foreach (var bucket in leaving.Take(PagesAtOnce).ToArray())
        {
            leaving.Remove(bucket);
            Punch(bucket);
        }

        isGivingBack = leaving.Count > 0;
        return isGivingBack;
    }

    /// <summary>False where the volume has no room: the bucket has to do with its segments.</summary>
    private bool TryTakePage(int bucket)
    {
        while (exact.Count >= exactMax) CollapseOne();
        try
        {
            memory.Reserve(layout.SectorPage(bucket), 1);
        }
        catch (IOException)
        {
            return false;
        }

        // One of an earlier time is zeros by now, as its segments' bits are.
        _ = retired.Remove(bucket) || leaving.Remove(bucket);
        exact.Enqueue(bucket);
        return true;
    }

    private void CollapseOne()
    {
        var bucket = exact.Dequeue();
        // Second chance: near enough to the order of the last touch, at the cost of a flag for each.
        for (var chances = exact.Count; touched[bucket] && chances > 0; chances--)
        {
            touched[bucket] = false;
            exact.Enqueue(bucket);
            bucket = exact.Dequeue();
        }

        if (marked[bucket] == 0)
        {
            states[bucket] = BucketState.Empty;
            Punch(bucket);
            return;
        }

        SectorCount -= marked[bucket];
        marked[bucket] = 0;
        states[bucket] = BucketState.Collapsed;
        MoveToSegments(bucket);
        retired.Add(bucket);
    }

    /// <summary>Marks each segment of which the page has a sector.</summary>
    private void MoveToSegments(int bucket)
    {
        var page = memory.Page(layout.SectorPage(bucket));
        var segments = Segments(bucket);
        var firstChunk = (long)bucket * MarksLayout.ChunksPerBucket;
        for (var sector = MarkBits.Next(page, 0, set: true); sector < MarksLayout.SectorsPerBucket; sector = MarkBits.Next(page, sector + 1, set: true))
        {
            var segment = sector / MarksLayout.SectorsPerSegment;
            if (!MarkBits.IsSet(segments, segment)) AddSegment(bucket, segments, segment);
            if (counters[firstChunk + (sector / MarksLayout.SectorsPerChunk)] == 0) Stick(bucket, segment);
        }
    }

    private void Punch(int bucket)
    {
        try
        {
            if (memory.TryPunch(layout.SectorPage(bucket), 1)) return;
        }
        catch (IOException)
        {
            // It costs the page's room, and no more.
        }

        memory.WritablePage(layout.SectorPage(bucket)).Clear();
    }
}
