using VmRepl.Blocks;

namespace VmRepl.Journal.Index;

/// <summary>
/// The index of one group: layers one behind the other, and the questions over them (<c>docs/decisions/0005-index-on-disk.md</c>). What a layer says is filtered here by the start of the recovery range
/// and by the oldest segment that there is, so that a retirement changes nothing in the layers.
/// Not safe for concurrent use; the journal holds one lock over the index of a group.
/// </summary>
internal sealed partial class LayeredIndex
{
    // From the oldest to the newest; the last one takes records.
    private readonly List<IndexLayer> layers = [];
    private readonly Settlement settlement = new();
    private readonly List<LayerRun> found = [];

    /// <param name="first">Where the records that are added begin.</param>
    public LayeredIndex(CommitPlace first = default)
    {
        Growing = new MemoryLayer(first);
        layers.Add(Growing);
    }

    /// <summary>The start of the recovery range.</summary>
    public ulong Start { get; private set; }

    /// <summary>Serial of the oldest segment that there is.</summary>
    public ulong FirstSerial { get; private set; }

    /// <summary>The layer that records are added to.</summary>
    public MemoryLayer Growing { get; private set; }

    /// <summary>All layers, the oldest first.</summary>
    public IReadOnlyList<IndexLayer> Layers => layers;

    /// <summary>Bytes of memory of the layers that no file holds.</summary>
    public long MemoryBytes => layers.Sum(l => l is MemoryLayer memory ? memory.Bytes : 0);

    /// <summary>Begins with what files say, while nothing has been added.</summary>
    /// <param name="files">From the oldest.</param>
    /// <param name="first">Where the records that are added begin.</param>
    public void Begin(IEnumerable<IndexLayer> files, CommitPlace first)
    {
        layers.Clear();
        layers.AddRange(files);
        Growing = new MemoryLayer(first);
        layers.Add(Growing);
    }

    /// <summary>The growing layer takes no more; what follows goes into a new one. Returns it, or null where nothing is in it.</summary>
    public MemoryLayer? Freeze()
    {
        if (Growing.End <= Growing.First) return null;
        var frozen = Growing;
        Growing = new MemoryLayer(frozen.End);
        layers.Add(Growing);
        return frozen;
    }

    /// <summary>Puts one layer in the place of neighbours that together say the same.</summary>
    public void Replace(IReadOnlyList<IndexLayer> old, IndexLayer by)
    {
        var at = layers.IndexOf(old[0]);
        layers.RemoveRange(at, old.Count);
        layers.Insert(at, by);
    }

    /// <summary>Moves the start of the range.</summary>
    /// <returns>The layers that speak only of segments that are gone; they are in the index no more.</returns>
    public List<IndexLayer> Retire(ulong start, ulong firstSerial)
    {
        Start = start;
        FirstSerial = firstSerial;
        var gone = layers.Where(l => l != Growing && l.End <= new CommitPlace(firstSerial, 0)).ToList();
        foreach (var layer in gone) layers.Remove(layer);
        return gone;
    }

    /// <summary>Where each part of <paramref name="range"/> as of <paramref name="point"/> is to be read, in order, covering it exactly.</summary>
    /// <exception cref="InvalidOperationException">Sectors were overwritten and nothing says what they held.</exception>
    public List<ContentSource> Resolve(uint disk, Extent range, ulong point)
    {
        var sources = new List<ContentSource>();
        foreach (var part in Settle(disk, range, point))
        {
            if (part.Record is null && part.IsTouchedAfter)
                throw new InvalidOperationException($"disk {disk}, bytes {part.Start} to {part.End} were overwritten and have no undo: the invariant \"undo before overwrite\" is broken");
            if (sources.Count > 0 && IsSame(sources[^1].Record, part.Record)) sources[^1] = sources[^1] with { Range = Extent.FromEnds(sources[^1].Range.Offset, part.End), IsTouchedAfter = sources[^1].IsTouchedAfter || part.IsTouchedAfter };
            else sources.Add(new ContentSource(Extent.FromEnds(part.Start, part.End), part.Record, IsTouchedAfter: part.IsTouchedAfter));
        }

        return sources;
    }

    /// <summary>The parts of <paramref name="range"/> that no record of the recovery range touches: a write of these needs their old contents first.</summary>
    public List<Extent> Untouched(uint disk, Extent range)
    {
        var untouched = new List<Extent> { range };
        for (var i = layers.Count - 1; i >= 0 && untouched.Count > 0; i--)
        {
            if (layers[i].NewestSequence <= Start) continue;
            found.Clear();
            layers[i].Find(disk, Extent.FromEnds(untouched[0].Offset, untouched[^1].End), found);
            if (found.Exists(r => r.Newest > Start)) untouched = Without(untouched);
        }

        return untouched;
    }

    /// <summary>The parts of the disk from <paramref name="from"/> on that a record after <paramref name="point"/> touches, in order, adjoining ones as one.</summary>
    /// <param name="piecesMax">Most pieces looked at.</param>
    /// <returns>The parts, and where to go on; null at the end of the disk.</returns>
    public (List<Extent> Touched, long? Next) TouchedAfter(uint disk, long from, ulong point, int piecesMax)
    {
        var touched = new List<Extent>();
        var sweep = new LayerSweep(layers, disk, from, Math.Max(point, Start));
        while (sweep.TryNext(out var start, out var end, out _))
        {
            if (piecesMax-- == 0) return (touched, start);
            if (touched.Count > 0 && touched[^1].End == start) touched[^1] = Extent.FromEnds(touched[^1].Offset, end);
            else touched.Add(Extent.FromEnds(start, end));
        }

        return (touched, null);
    }

    /// <summary>Adds each piece's bytes to the last of the points that come before its newest record; an entry's sum with those after it is what was touched after that point.</summary>
    /// <param name="points">Sequences, ascending, each once, none before the start of the range.</param>
    /// <param name="bytes">As many entries.</param>
    /// <param name="piecesMax">Most pieces looked at.</param>
    /// <returns>Where to go on; null at the end of the disk.</returns>
    public long? CountTouched(uint disk, ReadOnlySpan<ulong> points, Span<long> bytes, long from, int piecesMax)
    {
        var sweep = new LayerSweep(layers, disk, from, Start);
        while (sweep.TryNext(out var start, out var end, out var newest))
        {
            if (piecesMax-- == 0) return start;
            var at = points.BinarySearch(newest);
            // Where the newest record is itself a point, that point holds it.
            var before = at < 0 ? ~at : at;
            if (before > 0) bytes[before - 1] += end - start;
        }

        return null;
    }

    /// <summary>
    /// What of <paramref name="range"/> has to be handed down before a segment is given up and the range starts at <paramref name="start"/>:
    /// where the contents at the new start lie in that segment and a later record names the sectors.
    /// </summary>
    public IEnumerable<ContentSource> HandDown(uint disk, Extent range, ulong serial, ulong start)
    {
        foreach (var part in Settle(disk, range, start))
        {
            if (part.IsTouchedAfter && part.Record is { } record && record.Serial == serial) yield return new ContentSource(Extent.FromEnds(part.Start, part.End), record);
        }
    }

    /// <summary>The first sectors of the range that were overwritten and of which nothing says what they held at its start, or null: there are none in a sound journal.</summary>
    public Extent? FirstWithoutUndo(uint disk, Extent range)
    {
        foreach (var part in Settle(disk, range, Start))
        {
            if (part.IsTouchedAfter && part.Record is null) return Extent.FromEnds(part.Start, part.End);
        }

        return null;
    }

    /// <summary>The newest version of every sector of the range is at or before what is returned; 0 where it is not touched. Null where that would take more than <paramref name="runsMax"/> runs to find out.</summary>
    public ulong? NewestIn(uint disk, Extent range, int runsMax)
    {
        for (var i = layers.Count - 1; i >= 0; i--)
        {
            if (layers[i].NewestSequence <= Start) continue;
            found.Clear();
            layers[i].Find(disk, range, found, runsMax);
            if (found.Count >= runsMax) return null;
            runsMax -= found.Count;
            // Whatever an older layer has is older.
            if (found.Count > 0 && found.Max(r => r.Newest) is var newest && newest > 0) return newest > Start ? newest : 0;
        }

        return 0;
    }

    private List<Settled> Settle(uint disk, Extent range, ulong point) => settlement.Run(layers, disk, range, point, Start, FirstSerial);

    private static bool IsSame(RecordRef? one, RecordRef? other) =>
        one is { } a && other is { } b ? a.Serial == b.Serial && a.HeaderOffset == b.HeaderOffset : one is null && other is null;

    /// <summary>What is left of the parts without the runs found that have a version in the range.</summary>
    private List<Extent> Without(List<Extent> parts)
    {
        var left = new List<Extent>();
        foreach (var part in parts)
        {
            var at = part.Offset;
            foreach (var run in found)
            {
                if (run.Newest <= Start || run.End <= at || run.Start >= part.End) continue;
                if (run.Start > at) left.Add(Extent.FromEnds(at, run.Start));
                at = Math.Min(run.End, part.End);
            }

            if (at < part.End) left.Add(Extent.FromEnds(at, part.End));
        }

        return left;
    }
}
