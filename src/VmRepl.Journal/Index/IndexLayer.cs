using VmRepl.Blocks;

namespace VmRepl.Journal.Index;

/// <summary>
/// What the records of one interval of the journal say about sectors (<c>docs/decisions/0005-index-on-disk.md</c>). Nothing is filtered here: what is void is for the asker to pass over.
/// Not safe for concurrent use with a change of the same layer; the journal's index lock covers it.
/// </summary>
internal abstract class IndexLayer
{
    /// <summary>Where the layer begins, inclusive.</summary>
    public abstract CommitPlace First { get; }

    /// <summary>Where it ends, exclusive.</summary>
    public abstract CommitPlace End { get; }

    /// <summary>Greatest sequence of a version in it; 0 where there is none.</summary>
    public abstract ulong NewestSequence { get; }

    /// <summary>Number of runs over all disks.</summary>
    public abstract long RunCount { get; }

    /// <summary>Adds the runs of the disk that overlap <paramref name="range"/>, in order, whole (not cut to the range).</summary>
    /// <param name="most">Most runs added; with this number reached, there may be more.</param>
    public abstract void Find(uint disk, Extent range, List<LayerRun> into, int most = int.MaxValue);

    /// <summary>The newest version at or before <paramref name="point"/>. <paramref name="run"/> has one: its <see cref="LayerRun.Oldest"/> is at or before it.</summary>
    public abstract RecordRef NewestAt(in LayerRun run, ulong point);

    /// <summary>Version <paramref name="i"/> of the run, from the oldest.</summary>
    public abstract RecordRef Version(in LayerRun run, int i);

    /// <summary>The undo or hand-down of the run, which has one.</summary>
    public abstract RecordRef Undo(in LayerRun run);
}
