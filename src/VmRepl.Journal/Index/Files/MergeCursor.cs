using VmRepl.Blocks;

namespace VmRepl.Journal.Index.Files;

/// <summary>Goes through the runs of one disk of a layer, a few at a time, and knows of each what is not void.</summary>
internal sealed class MergeCursor(IndexLayer layer, MergeBounds bounds)
{
    private const int BatchRuns = 64;

    private readonly List<LayerRun> batch = new(BatchRuns);
    private int next;
    private uint disk;
    private long from;
    private bool isLastBatch;

    /// <summary>The run that the cursor is at, and what is left of it; only where <see cref="TryReach"/> said so.</summary>
    public LayerRun Run => batch[next];

    /// <summary>Its versions that are not void; null where there is none.</summary>
    public MergePart? Part { get; private set; }

    /// <summary>Its undo, where that is not void.</summary>
    public RecordRef? Undo { get; private set; }

    public void Begin(uint disk)
    {
        batch.Clear();
        (this.disk, next, from, isLastBatch) = (disk, -1, 0, false);
    }

    /// <summary>Goes on to the first run that ends behind <paramref name="offset"/>. False where there is none.</summary>
    public bool TryReach(long offset)
    {
        if (next >= 0 && next < batch.Count && batch[next].End > offset) return true;
        do
        {
            if (++next >= batch.Count && !Fill()) return false;
        }
        while (batch[next].End <= offset);
        Look(batch[next]);
        return true;
    }

    private bool Fill()
    {
        next = 0;
        if (isLastBatch)
        {
            batch.Clear();
            return false;
        }

        batch.Clear();
        layer.Find(disk, Extent.FromEnds(from, long.MaxValue), batch, BatchRuns);
        isLastBatch = batch.Count < BatchRuns;
        if (batch.Count == 0) return false;
        from = batch[^1].End;
        return true;
    }

    private void Look(in LayerRun run)
    {
        var first = FirstKept(run);
        Part = first == run.Versions ? null : new MergePart(layer, run, first, first == 0 ? run.Oldest : layer.Version(run, first).Number);
        Undo = run.HasUndo && layer.Undo(run) is var undo && !bounds.IsVoid(undo) ? undo : null;
    }

    /// <summary>Sequences and serials ascend together along the versions, so that the void ones are the first.</summary>
    private int FirstKept(in LayerRun run)
    {
        if (run.Newest <= bounds.Start) return run.Versions;
        if (run.Oldest > bounds.Start && layer.First.Serial >= bounds.FirstNeeded) return 0;
        int low = 0, high = run.Versions;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (bounds.IsVoid(layer.Version(run, middle))) low = middle + 1;
            else high = middle;
        }

        return low;
    }
}
