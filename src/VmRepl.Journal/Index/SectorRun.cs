using VmRepl.Blocks;

namespace VmRepl.Journal.Index;

/// <summary>
/// A run of sectors that have one history in the recovery range: which records touched them, and what they held before the first of these.
/// Invariant after opening: <see cref="Versions"/> is not empty, ascending by sequence, and <see cref="Undo"/> is set.
/// </summary>
internal sealed class SectorRun(long start, long end)
{
    public long Start { get; } = start;

    public long End { get; set; } = end;

    /// <summary>The contents at the start of the range (the overlay O of the design), whatever record kind holds them.</summary>
    public StoredRecord? Undo { get; set; }

    public List<StoredRecord> Versions { get; private init; } = new(1);

    /// <summary>The newest record's sequence; 0 where there is none.</summary>
    public ulong NewestSequence => Versions.Count > 0 ? Versions[^1].Sequence : 0;

    public Extent Extent => Extent.FromEnds(Start, End);

    /// <summary>Cuts this run at <paramref name="at"/>; it keeps the lower part, the upper one is returned with the same history.</summary>
    public SectorRun SplitAt(long at)
    {
        var upper = new SectorRun(at, End) { Undo = Undo, Versions = [.. Versions] };
        End = at;
        return upper;
    }

    /// <summary>The newest record at or before <paramref name="point"/>, or null.</summary>
    public StoredRecord? NewestAt(ulong point)
    {
        int low = 0, high = Versions.Count;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (Versions[middle].Sequence <= point) low = middle + 1;
            else high = middle;
        }

        return low == 0 ? null : Versions[low - 1];
    }
}
