namespace VmRepl.Blocks;

/// <summary>A set of bytes kept as sorted, disjoint, non-touching extents. Not safe for concurrent use.</summary>
public sealed class ExtentSet
{
    // Sorted by offset; neighbours that touch are merged, so the list is canonical and two equal sets have equal lists.
    private readonly List<Extent> extents = [];

    public ExtentSet()
    {
    }

    public ExtentSet(IEnumerable<Extent> from)
    {
        foreach (var extent in from) Add(extent);
    }

    public IReadOnlyList<Extent> Extents => extents;

    public int Count => extents.Count;

    /// <summary>Total bytes in the set.</summary>
    public long Bytes { get; private set; }

    public void Add(Extent added)
    {
        if (added.IsEmpty) return;
        var first = FirstEndingAtOrAfter(added.Offset);
        var last = first;
        long start = added.Offset, end = added.End;
        while (last < extents.Count && extents[last].Offset <= end)
        {
            start = Math.Min(start, extents[last].Offset);
            end = Math.Max(end, extents[last].End);
            Bytes -= extents[last].Length;
            last++;
        }

        var merged = Extent.FromEnds(start, end);
        Bytes += merged.Length;
        if (last == first)
        {
            extents.Insert(first, merged);
            return;
        }

        extents[first] = merged;
        extents.RemoveRange(first + 1, last - first - 1);
    }

    public void Remove(Extent removed)
    {
        if (removed.IsEmpty) return;
        var first = FirstEndingAfter(removed.Offset);
        var last = first;
        var kept = new List<Extent>(2);
        while (last < extents.Count && extents[last].Offset < removed.End)
        {
            var old = extents[last++];
            Bytes -= old.Length;
            if (old.Offset < removed.Offset) kept.Add(Extent.FromEnds(old.Offset, removed.Offset));
            if (old.End > removed.End) kept.Add(Extent.FromEnds(removed.End, old.End));
        }

        extents.RemoveRange(first, last - first);
        extents.InsertRange(first, kept);
        foreach (var part in kept) Bytes += part.Length;
    }

    /// <summary>The parts of <paramref name="within"/> that are in the set, in order; none is empty.</summary>
    public IEnumerable<Extent> Intersect(Extent within)
    {
        if (within.IsEmpty) yield break;
        for (var i = FirstEndingAfter(within.Offset); i < extents.Count && extents[i].Offset < within.End; i++)
            yield return extents[i].Intersect(within);
    }

    /// <summary>The parts of <paramref name="within"/> that are not in the set, in order.</summary>
    public IEnumerable<Extent> Gaps(Extent within)
    {
        var at = within.Offset;
        foreach (var present in Intersect(within))
        {
            if (present.Offset > at) yield return Extent.FromEnds(at, present.Offset);
            at = present.End;
        }

        if (at < within.End) yield return Extent.FromEnds(at, within.End);
    }

    public bool Contains(Extent extent)
    {
        if (extent.IsEmpty) return true;
        var i = FirstEndingAfter(extent.Offset);
        return i < extents.Count && extents[i].Contains(extent);
    }

    public bool Overlaps(Extent extent)
    {
        var i = FirstEndingAfter(extent.Offset);
        return i < extents.Count && extents[i].Overlaps(extent);
    }

    public void Clear()
    {
        extents.Clear();
        Bytes = 0;
    }

    private int FirstEndingAtOrAfter(long offset) => FirstEndingAfter(offset - 1);

    private int FirstEndingAfter(long offset)
    {
        int low = 0, high = extents.Count;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (extents[middle].End > offset) high = middle;
            else low = middle + 1;
        }

        return low;
    }
}
