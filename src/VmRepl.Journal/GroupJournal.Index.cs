using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Segments;

namespace VmRepl.Journal;

/// <content>What the index is asked by those who read and write, and how its layers go to files.</content>
public sealed partial class GroupJournal
{
    // A region with more runs than this is looked up again each time it is asked about.
    private const int RegionRunsMax = 512;

    // Number of retirements so far: what was resolved before the newest of them may point to a segment that is gone.
    private long retirements;

    /// <summary>Where each part of a range is to be read as of a point. The segments named stay readable until <see cref="Release(List{ContentSource})"/>.</summary>
    internal List<ContentSource> Resolve(uint disk, Extent range, ulong point)
    {
        lock (indexGate)
        {
            var sources = index.Resolve(disk, range, point);
            for (var i = 0; i < sources.Count; i++)
            {
                if (sources[i].Record is not { } record) continue;
                var segment = SegmentOf(record);
                segment.AddReader();
                sources[i] = sources[i] with { Segment = segment };
            }

            return sources;
        }
    }

    internal void Release(List<ContentSource> sources)
    {
        lock (indexGate)
        {
            foreach (var source in sources) source.Segment?.ReleaseReader();
        }
    }

    /// <summary>Whether nothing of the range was touched after the point, as far as is known without a look at the index: false may mean that it is not known. Waits for nothing.</summary>
    internal bool IsUntouchedAfter(uint disk, Extent range, ulong point) => touches[disk].IsUntouchedAfter(range, point);

    /// <summary>The parts of a range that no record of the recovery range touches.</summary>
    private List<Extent> Untouched(uint disk, Extent range)
    {
        lock (indexGate)
        {
            LearnTouches(disk, range);
            return touches[disk].IsUntouchedAfter(range, position.Start) ? [range] : index.Untouched(disk, range);
        }
    }

    /// <summary>Under the index lock: finds out about regions of which nothing is known since the journal was opened.</summary>
    private void LearnTouches(uint disk, Extent range)
    {
        foreach (var (region, extent) in touches[disk].UnknownIn(range))
        {
            if (index.NewestIn(disk, extent, RegionRunsMax) is { } newest) touches[disk].Learn(region, newest);
        }
    }

    /// <summary>Where the oldest segment that is here begins.</summary>
    private CommitPlace FirstPlace()
    {
        foreach (var name in directory.ListFiles())
        {
            if (SegmentLayout.TryParseName(name, out var serial)) return new CommitPlace(serial, 0);
        }

        return new CommitPlace(1, 0);
    }

    /// <summary>Under the index lock: the segment that a record of the index stands in.</summary>
    private SegmentFile SegmentOf(in RecordRef record) => segments[(int)(record.Serial - segments[0].Serial)];

    /// <summary>Under the index lock: removes the files of layers that are not in the index any more.</summary>
    private static void DropFiles(List<IndexLayer> layers) => _ = layers;
}
