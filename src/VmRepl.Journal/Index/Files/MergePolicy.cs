namespace VmRepl.Journal.Index.Files;

/// <summary>
/// Which neighbouring files to merge: eight or more that together are at least six times as large as the largest of them, so that each run is copied about once for each factor of eight
/// by which the index grows; the fewest bytes first. Where sizes are so uneven that files pile up, the cheapest eight.
/// </summary>
internal static class MergePolicy
{
    public const int Neighbours = 8;

    /// <summary>Above this many files some are merged whatever their sizes.</summary>
    public const int FilesMax = 64;

    private const int LargestMin = 6;

    /// <param name="sizes">Bytes of the files, from the oldest layer.</param>
    /// <returns>The first of them and how many, or null where nothing is to be merged.</returns>
    public static (int First, int Count)? Next(IReadOnlyList<long> sizes)
    {
        (int First, int Count)? best = null;
        var bestTotal = long.MaxValue;
        for (var first = 0; first <= sizes.Count - Neighbours; first++)
        {
            long total = 0, largest = 0;
            for (var end = first; end < sizes.Count; end++)
            {
                // An empty file is a file as well.
                var size = Math.Max(1, sizes[end]);
                total += size;
                largest = Math.Max(largest, size);
                var count = end - first + 1;
                if (count < Neighbours || total >= bestTotal) continue;
                var isEven = total / LargestMin >= largest;
                if (!isEven && (sizes.Count <= FilesMax || count > Neighbours)) continue;
                (best, bestTotal) = ((first, count), total);
            }
        }

        return best;
    }
}
