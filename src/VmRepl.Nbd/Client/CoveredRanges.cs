namespace VmRepl.Nbd.Client;

/// <summary>Which bytes of a read have come. Sorted, neighbours joined; a server that answers in pieces in order keeps it at one range.</summary>
internal sealed class CoveredRanges
{
    /// <summary>So many separate pieces no server has a reason for.</summary>
    public const int RangesMax = 4096;

    private readonly List<(long Start, long End)> ranges = [];

    public long Bytes { get; private set; }

    public void Clear()
    {
        ranges.Clear();
        Bytes = 0;
    }

    /// <returns>Why it cannot be added; null where it was.</returns>
    public string? Add(long start, long length)
    {
        var (end, low, high) = (start + length, 0, ranges.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (ranges[middle].Start < start) low = middle + 1;
            else high = middle;
        }

        // low: the first range at or behind the new one.
        if ((low > 0 && ranges[low - 1].End > start) || (low < ranges.Count && ranges[low].Start < end)) return "overlaps what came before";
        var (joinsBefore, joinsAfter) = (low > 0 && ranges[low - 1].End == start, low < ranges.Count && ranges[low].Start == end);
        if (joinsBefore && joinsAfter)
        {
            ranges[low - 1] = (ranges[low - 1].Start, ranges[low].End);
            ranges.RemoveAt(low);
        }
        else if (joinsBefore)
        {
            ranges[low - 1] = (ranges[low - 1].Start, end);
        }
        else if (joinsAfter)
        {
            ranges[low] = (start, ranges[low].End);
        }
        else if (ranges.Count == RangesMax)
        {
            return $"makes more than {RangesMax} separate pieces";
        }
        else
        {
            ranges.Insert(low, (start, end));
        }

        Bytes += length;
        return null;
    }
}
