using VmRepl.Blocks;
using VmRepl.Journal.Scrub;
using VmRepl.Journal.Segments;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Index;

/// <content>What a scrub asks.</content>
internal sealed partial class LayeredIndex
{
    /// <summary>Holds a slice of a disk's index against what must hold of it.</summary>
    /// <param name="length">Of the disk.</param>
    /// <param name="from">First byte looked at; on return where the next slice begins, the disk's end after the last.</param>
    /// <param name="runsMax">Most runs looked at in each layer.</param>
    public List<IndexFault> Check(uint disk, long length, ref long from, int runsMax)
    {
        var faults = new List<IndexFault>();
        var slice = Slice(disk, from, length, runsMax);
        foreach (var layer in layers)
        {
            found.Clear();
            layer.Find(disk, slice, found);
            long before = 0;
            foreach (var run in found)
            {
                if (WhyWrong(layer, run, before) is { } reason) faults.Add(new IndexFault(run.Extent, reason));
                before = run.End;
            }
        }

        foreach (var part in Settle(disk, slice, Start))
        {
            if (part.IsTouchedAfter && part.Record is null) faults.Add(new IndexFault(Extent.FromEnds(part.Start, part.End), "the old contents were not kept"));
        }

        from = slice.End;
        return faults;
    }

    /// <summary>Tells every record that the index has of a slice of a disk, void ones with it and some several times.</summary>
    /// <returns>Where the next slice begins; null after the last.</returns>
    public long? ForEachRecord(uint disk, long from, int runsMax, Action<RecordRef> tell)
    {
        var slice = Slice(disk, from, long.MaxValue, runsMax);
        foreach (var layer in layers)
        {
            found.Clear();
            layer.Find(disk, slice, found);
            foreach (var run in found)
            {
                for (var i = 0; i < run.Versions; i++) tell(layer.Version(run, i));
                if (run.HasUndo) tell(layer.Undo(run));
            }
        }

        return slice.End == long.MaxValue ? null : slice.End;
    }

    /// <summary>The first and last sequences between which a view of <paramref name="part"/> reads this record, for each part of it with a history of its own.</summary>
    public List<(ulong First, ulong Last)> SpansReading(uint disk, RecordRef record, Extent part)
    {
        var spans = new List<(ulong First, ulong Last)>();
        var first = record.IsVersion ? record.Number : Start;
        if (first < Start) return spans;
        foreach (var settled in Settle(disk, part, first).ToList())
        {
            if (!IsSame(settled.Record, record)) continue;
            foreach (var next in NextAfter(disk, Extent.FromEnds(settled.Start, settled.End), first))
            {
                var span = (first, next == 0 ? ulong.MaxValue : next - 1);
                // Neighbouring runs mostly have one history.
                if (!spans.Contains(span)) spans.Add(span);
            }
        }

        return spans;
    }

    /// <summary>The sequences of the first versions after <paramref name="point"/> in the parts of a range; 0 for a part that has none.</summary>
    private HashSet<ulong> NextAfter(uint disk, Extent range, ulong point)
    {
        var next = new HashSet<ulong>();
        var open = new List<Extent> { range };
        foreach (var layer in layers)
        {
            if (layer.NewestSequence <= point || open.Count == 0) continue;
            found.Clear();
            layer.Find(disk, range, found);
            found.RemoveAll(r => r.Newest <= point);
            foreach (var run in found)
            {
                if (open.Exists(o => o.Overlaps(run.Extent))) next.Add(FirstAfter(layer, run, point));
            }

            open = Without(open);
        }

        if (open.Count > 0) next.Add(0);
        return next;
    }

    /// <summary>Sequence of the first version after a point in a run that has one.</summary>
    private static ulong FirstAfter(IndexLayer layer, in LayerRun run, ulong point)
    {
        int low = 0, high = run.Versions - 1;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (layer.Version(run, middle).Number <= point) low = middle + 1;
            else high = middle;
        }

        return layer.Version(run, low).Number;
    }

    /// <summary>From <paramref name="from"/> on as much of a disk as has at most so many runs in each layer.</summary>
    private Extent Slice(uint disk, long from, long length, int runsMax)
    {
        var end = length;
        foreach (var layer in layers)
        {
            found.Clear();
            layer.Find(disk, Extent.FromEnds(from, end), found, runsMax);
            if (found.Count == runsMax) end = Math.Min(end, found[^1].End);
        }

        return Extent.FromEnds(from, end);
    }

    private static string? WhyWrong(IndexLayer layer, in LayerRun run, long before)
    {
        if (run.Start < before || run.End <= run.Start) return "the run overlaps the one before it, or is empty";
        if (run.HasUndo && layer.Undo(run) is var undo && !Covers(undo, run)) return $"the {undo.Kind} of sequence {undo.Number} does not cover the sectors";
        ulong last = 0;
        for (var i = 0; i < run.Versions; i++)
        {
            var version = layer.Version(run, i);
            if (version.Number <= last || version.Number < run.Oldest || version.Number > run.Newest) return $"record {version.Number} comes after {last}";
            if (!Covers(version, run)) return $"record {version.Number} does not cover the sectors";
            last = version.Number;
        }

        return last == run.Newest ? null : $"record {run.Newest} is missing";
    }

    private static bool Covers(in RecordRef record, in LayerRun run) => record.Extent.Contains(run.Extent)
        && (record.Content != RecordContent.Payload || (record.PayloadLength == record.Length && record.PayloadOffset + record.PayloadLength <= SegmentLayout.SegmentBytesMax));
}
