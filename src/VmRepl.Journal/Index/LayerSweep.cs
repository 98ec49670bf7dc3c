using VmRepl.Blocks;

namespace VmRepl.Journal.Index;

/// <summary>Goes through the runs of several layers of one disk in the order of the disk, in pieces within each of which no layer's run begins or ends.</summary>
internal sealed class LayerSweep
{
    // Runs fetched from a layer at once.
    private const int RunsAtOnce = 64;

    private readonly List<Cursor> cursors = [];
    private long at;

    /// <param name="above">Layers without a version after this sequence are left out, and so are runs.</param>
    public LayerSweep(IReadOnlyList<IndexLayer> layers, uint disk, long from, ulong above)
    {
        at = from;
        foreach (var layer in layers)
        {
            if (layer.NewestSequence > above) cursors.Add(new Cursor(layer, disk, from, above));
        }
    }

    /// <summary>The next piece that some layer touches after the sequence given, and the newest version in it. False at the end of the disk.</summary>
    public bool TryNext(out long start, out long end, out ulong newest)
    {
        while (true)
        {
            (start, end, newest) = (long.MaxValue, long.MaxValue, 0);
            foreach (var cursor in cursors)
            {
                if (!cursor.MoveTo(at)) continue;
                var run = cursor.Run;
                if (run.Start > at)
                {
                    start = Math.Min(start, run.Start);
                    end = Math.Min(end, run.Start);
                }
                else
                {
                    start = at;
                    end = Math.Min(end, run.End);
                    newest = Math.Max(newest, run.Newest);
                }
            }

            if (start == long.MaxValue) return false;
            if (newest > 0)
            {
                at = end;
                return true;
            }

            // Nothing here: the nearest run is further on.
            at = start;
        }
    }

    private sealed class Cursor(IndexLayer layer, uint disk, long from, ulong above)
    {
        private readonly List<LayerRun> runs = [];
        private int i = -1;
        private long next = from;
        private bool isAtEnd;

        public LayerRun Run => runs[i];

        /// <summary>Goes to the first run that ends after the offset.</summary>
        public bool MoveTo(long offset)
        {
            while (true)
            {
                for (; i >= 0 && i < runs.Count; i++)
                {
                    if (runs[i].End > offset && runs[i].Newest > above) return true;
                }

                if (isAtEnd) return false;
                runs.Clear();
                i = 0;
                layer.Find(disk, Extent.FromEnds(next, long.MaxValue), runs, RunsAtOnce);
                isAtEnd = runs.Count < RunsAtOnce;
                if (runs.Count > 0) next = runs[^1].End;
            }
        }
    }
}
