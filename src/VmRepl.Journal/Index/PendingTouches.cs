using VmRepl.Blocks;

namespace VmRepl.Journal.Index;

/// <summary>Sectors that records of one batch touch before these records are in the index: the first of them takes the undo, the rest need none.</summary>
internal sealed class PendingTouches
{
    private readonly Dictionary<uint, ExtentSet> touched = [];

    public void Clear() => touched.Clear();

    public void Add(uint disk, Extent extent)
    {
        if (!touched.TryGetValue(disk, out var set)) touched[disk] = set = new ExtentSet();
        set.Add(extent);
    }

    /// <summary>The parts of <paramref name="untouched"/>, which the index does not have, that this batch does not have either.</summary>
    public List<Extent> Untouched(uint disk, List<Extent> untouched)
    {
        return touched.TryGetValue(disk, out var set) ? [.. untouched.SelectMany(set.Gaps)] : untouched;
    }
}
