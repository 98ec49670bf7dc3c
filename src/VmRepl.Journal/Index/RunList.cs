namespace VmRepl.Journal.Index;

/// <summary>Disjoint <see cref="SectorRun"/>s sorted by start, in chunks of bounded size, so that an insertion moves few entries however many there are.</summary>
internal sealed class RunList
{
    private const int ChunkMax = 256;

    // No chunk is empty; the first run of each is the key that the chunk is found by.
    private readonly List<List<SectorRun>> chunks = [];

    public int Count { get; private set; }

    /// <summary>The runs that overlap [<paramref name="start"/>, <paramref name="end"/>), in order. The list must not change while it is enumerated.</summary>
    public IEnumerable<SectorRun> Overlapping(long start, long end)
    {
        var (c, i) = FirstEndingAfter(start);
        for (; c < chunks.Count; c++, i = 0)
        {
            var chunk = chunks[c];
            for (; i < chunk.Count; i++)
            {
                if (chunk[i].Start >= end) yield break;
                yield return chunk[i];
            }
        }
    }

    public void Insert(SectorRun run)
    {
        Count++;
        if (chunks.Count == 0)
        {
            chunks.Add([run]);
            return;
        }

        var c = Math.Max(0, ChunkAtOrBefore(run.Start));
        var chunk = chunks[c];
        chunk.Insert(FirstAfter(chunk, run.Start), run);
        if (chunk.Count <= ChunkMax) return;
        var half = chunk.Count / 2;
        chunks.Insert(c + 1, chunk.GetRange(half, chunk.Count - half));
        chunk.RemoveRange(half, chunk.Count - half);
    }

    public void Remove(SectorRun run)
    {
        var c = ChunkAtOrBefore(run.Start);
        var chunk = chunks[c];
        chunk.RemoveAt(FirstAfter(chunk, run.Start) - 1);
        if (chunk.Count == 0) chunks.RemoveAt(c);
        Count--;
    }

    public IEnumerable<SectorRun> All() => chunks.SelectMany(c => c);

    private (int Chunk, int Index) FirstEndingAfter(long offset)
    {
        var c = ChunkAtOrBefore(offset);
        if (c < 0) return (0, 0);
        var chunk = chunks[c];
        var i = FirstAfter(chunk, offset);
        // The run before may reach over the offset.
        if (i > 0 && chunk[i - 1].End > offset) i--;
        return (c, i);
    }

    /// <summary>Index of the last chunk whose first run starts at or before <paramref name="offset"/>, or -1.</summary>
    private int ChunkAtOrBefore(long offset)
    {
        int low = 0, high = chunks.Count;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (chunks[middle][0].Start <= offset) low = middle + 1;
            else high = middle;
        }

        return low - 1;
    }

    /// <summary>Index of the first run in the chunk that starts after <paramref name="offset"/>.</summary>
    private static int FirstAfter(List<SectorRun> chunk, long offset)
    {
        int low = 0, high = chunk.Count;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (chunk[middle].Start <= offset) low = middle + 1;
            else high = middle;
        }

        return low;
    }
}
