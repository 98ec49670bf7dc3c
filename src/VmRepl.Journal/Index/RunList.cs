using System.Runtime.CompilerServices;

namespace VmRepl.Journal.Index;

/// <summary>Disjoint <see cref="SectorRun"/>s sorted by start, in chunks of bounded size, so that an insertion moves few entries however many there are.</summary>
internal sealed class RunList
{
    private const int ChunkMax = 256;

    // No chunk is empty; the first run of each is the key that the chunk is found by.
    private readonly List<Chunk> chunks = [];
    private readonly List<(long Start, long End)> gaps = [];

    public delegate void Change(ref SectorRun run);

    public int Count { get; private set; }

    /// <summary>Near enough: chunks are half full at the least.</summary>
    public long Bytes { get; private set; }

    /// <summary>Adds the runs that overlap [<paramref name="start"/>, <paramref name="end"/>), in order. Safe beside others that only ask.</summary>
    /// <param name="give">What is added for a run.</param>
    /// <param name="most">Most runs added.</param>
    public void Overlapping<T>(long start, long end, List<T> into, Func<SectorRun, T> give, int most = int.MaxValue)
    {
        var (c, i) = FirstEndingAfter(start);
        for (; c < chunks.Count; c++, i = 0)
        {
            var chunk = chunks[c];
            for (; i < chunk.Count; i++)
            {
                if (chunk.Runs[i].Start >= end || most-- == 0) return;
                into.Add(give(chunk.Runs[i]));
            }
        }
    }

    /// <summary>Makes the runs that cover exactly [<paramref name="start"/>, <paramref name="end"/>), cutting those at its ends and filling gaps with new ones, and changes each of them.</summary>
    public void ForExactly(long start, long end, Change change)
    {
        Cut(start);
        Cut(end);
        var at = start;
        var (c, i) = FirstEndingAfter(start);
        gaps.Clear();
        for (; c < chunks.Count && at < end; c++, i = 0)
        {
            var chunk = chunks[c];
            for (; i < chunk.Count && at < end; i++)
            {
                ref var run = ref chunk.Runs[i];
                var from = Math.Min(run.Start, end);
                if (from > at) gaps.Add((at, from));
                at = run.End;
                if (run.Start < end) change(ref run);
            }
        }

        if (at < end) gaps.Add((at, end));
        foreach (var gap in gaps)
        {
            var run = new SectorRun(gap.Start, gap.End, -1, -1);
            change(ref run);
            Insert(run);
        }
    }

    public void Insert(SectorRun run)
    {
        Count++;
        if (chunks.Count == 0) chunks.Add(new Chunk());
        Bytes += Unsafe.SizeOf<SectorRun>();
        var c = Math.Max(0, ChunkAtOrBefore(run.Start));
        var chunk = chunks[c];
        var i = chunk.FirstAfter(run.Start);
        if (chunk.Count == ChunkMax)
        {
            // Filled in order, a chunk stays full: only an insertion in its middle halves it.
            var keep = i == ChunkMax ? ChunkMax : ChunkMax / 2;
            var upper = chunk.Split(keep);
            chunks.Insert(c + 1, upper);
            if (i >= keep) (chunk, i) = (upper, i - keep);
        }

        chunk.Insert(i, run);
    }

    private void Cut(long at)
    {
        var (c, i) = FirstEndingAfter(at);
        if (c >= chunks.Count || i >= chunks[c].Count) return;
        ref var run = ref chunks[c].Runs[i];
        if (run.Start >= at) return;
        var upper = run with { Start = at };
        run.End = at;
        Insert(upper);
    }

    /// <summary>Where the first run that ends after <paramref name="offset"/> is, or a place behind the last.</summary>
    private (int Chunk, int Index) FirstEndingAfter(long offset)
    {
        var c = ChunkAtOrBefore(offset);
        if (c < 0) return (0, 0);
        var chunk = chunks[c];
        var i = chunk.FirstAfter(offset);
        // The run before may reach over the offset.
        if (i > 0 && chunk.Runs[i - 1].End > offset) i--;
        return i == chunk.Count ? (c + 1, 0) : (c, i);
    }

    /// <summary>Index of the last chunk whose first run starts at or before <paramref name="offset"/>, or -1.</summary>
    private int ChunkAtOrBefore(long offset)
    {
        int low = 0, high = chunks.Count;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (chunks[middle].Count == 0 || chunks[middle].Runs[0].Start <= offset) low = middle + 1;
            else high = middle;
        }

        return low - 1;
    }

    private sealed class Chunk
    {
        private const int First = 16;

        public SectorRun[] Runs { get; private set; } = new SectorRun[First];

        public int Count { get; private set; }

        /// <summary>Index of the first run that starts after <paramref name="offset"/>.</summary>
        public int FirstAfter(long offset)
        {
            int low = 0, high = Count;
            while (low < high)
            {
                var middle = (low + high) >>> 1;
                if (Runs[middle].Start <= offset) low = middle + 1;
                else high = middle;
            }

            return low;
        }

        public void Insert(int i, SectorRun run)
        {
            if (Count == Runs.Length)
            {
                var grown = Runs;
                Array.Resize(ref grown, 2 * Count);
                Runs = grown;
            }

            Array.Copy(Runs, i, Runs, i + 1, Count - i);
            Runs[i] = run;
            Count++;
        }

        /// <summary>Keeps the first <paramref name="keep"/> runs and returns the rest.</summary>
        public Chunk Split(int keep)
        {
            var upper = new Chunk { Count = Count - keep, Runs = new SectorRun[ChunkMax] };
            Array.Copy(Runs, keep, upper.Runs, 0, Count - keep);
            Count = keep;
            return upper;
        }
    }
}
