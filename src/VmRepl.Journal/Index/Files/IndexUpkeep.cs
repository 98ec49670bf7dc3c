using VmRepl.Blocks.Files;

namespace VmRepl.Journal.Index.Files;

/// <summary>
/// Brings the frozen layers of one group's index into files and merges files, a little with each append. One at a time, the layers in memory first.
/// <para>A file that cannot be written costs memory and nothing else: it is given up, and begun again later. A file that cannot be merged is left as it is.</para>
/// Used by the journal's writer; the index's lock is held only while one layer takes the place of others.
/// </summary>
internal sealed class IndexUpkeep(IHostDirectory directory, LayeredIndex index, Lock indexGate, IndexMemory memory, IReadOnlyCollection<uint> disks, JournalCounters counters)
{
    // After something failed so many steps are passed over.
    private const int RestSteps = 256;

    private readonly Dictionary<IndexLayer, IReadOnlyList<CoveredSegment>> frozen = [];
    private IndexMerge? merge;
    private List<IndexLayer> sources = [];
    private int rest;

    /// <summary>Number of layers that wait for a file.</summary>
    public int Waiting => frozen.Count;

    /// <summary>A layer takes no more and is to become a file.</summary>
    /// <param name="segments">Those that it covers wholly or in part.</param>
    public void Add(MemoryLayer layer, IReadOnlyList<CoveredSegment> segments) => frozen.Add(layer, segments);

    /// <summary>Goes on by about so many entries of layers.</summary>
    /// <param name="bounds">What is void now.</param>
    public void Step(int budget, MergeBounds bounds)
    {
        if (rest > 0)
        {
            rest--;
            return;
        }

        Guarded(() =>
        {
            if (merge is null && !TryBegin(bounds, withFiles: true)) return;
            if (merge!.Step(budget)) Finish();
        });
    }

    /// <summary>Brings every frozen layer into a file, and merges nothing.</summary>
    public void Flush(MergeBounds bounds)
    {
        if (frozen.Count == 0) return;
        if (merge is not null && sources[0] is IndexFile) GiveUp();
        Guarded(() =>
        {
            while (merge is not null || TryBegin(bounds, withFiles: false))
            {
                while (!merge!.Step(int.MaxValue))
                {
                }

                Finish();
            }
        });
    }

    /// <summary>Under the index's lock: removes the files of layers that left the index.</summary>
    public void Drop(IReadOnlyList<IndexLayer> gone)
    {
        if (gone.Any(sources.Contains)) GiveUp();
        foreach (var layer in gone)
        {
            frozen.Remove(layer);
            if (layer is IndexFile file) Remove(file);
        }
    }

    /// <summary>Closes every file.</summary>
    public void Close()
    {
        merge?.Dispose();
        merge = null;
        foreach (var file in index.Layers.OfType<IndexFile>()) file.Dispose();
    }

    private bool TryBegin(MergeBounds bounds, bool withFiles)
    {
        var layers = index.Layers;
        if (frozen.Count > 0)
        {
            var next = layers.First(frozen.ContainsKey);
            Begin([next], [new MergeSource(next, frozen[next], ((MemoryLayer)next).Facts)], bounds);
            return true;
        }

        if (!withFiles) return false;
        var files = layers.TakeWhile(l => l is IndexFile).Cast<IndexFile>().ToList();
        if (MergePolicy.Next(files.ConvertAll(f => f.FileBytes)) is not { } found) return false;
        var chosen = files.GetRange(found.First, found.Count);
        Begin([.. chosen], chosen.ConvertAll(MergeSource.Of), bounds);
        return true;
    }

    private void Begin(List<IndexLayer> layers, List<MergeSource> from, MergeBounds bounds)
    {
        merge = new IndexMerge(directory, from, disks, bounds, memory.Cache);
        sources = layers;
    }

    private void Finish()
    {
        var file = IndexFile.Open(directory, merge!.Name, memory.Cache);
        lock (indexGate) index.Replace(sources, file);
        merge = null;
        counters.IndexFilesWritten++;
        if (sources[0] is IndexFile) counters.IndexMerges++;
        foreach (var source in sources)
        {
            frozen.Remove(source);
            if (source is IndexFile old) Remove(old);
        }

        sources = [];
    }

    private void Remove(IndexFile file)
    {
        file.Dispose();
        try
        {
            directory.Delete(IndexFileName.Of(file.First, file.End));
        }
        catch (IOException)
        {
            // Left behind, it is passed over at the next opening: a wider one covers the same, or nothing needs it.
        }
    }

    private void Guarded(Action work)
    {
        try
        {
            work();
        }
        catch (Exception e) when (e is IOException or JournalDamagedException)
        {
            GiveUp();
            rest = RestSteps;
        }
    }

    private void GiveUp()
    {
        try
        {
            merge?.Abandon();
        }
        catch (IOException)
        {
            // What is left has a spare name and is removed at the next opening.
        }

        merge = null;
        sources = [];
    }
}
