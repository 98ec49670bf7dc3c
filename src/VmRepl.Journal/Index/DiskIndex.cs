using VmRepl.Blocks;

namespace VmRepl.Journal.Index;

/// <summary>
/// For one disk: which sectors were touched in the recovery range, by which records, and what they held before. In memory.
/// Not safe for concurrent use; the journal holds one lock over the indexes of a group.
/// </summary>
internal sealed class DiskIndex
{
    private readonly RunList runs = new();

    public int RunCount => runs.Count;

    /// <summary>The runs that overlap a range, in order; not to be kept beyond the lock.</summary>
    public IEnumerable<SectorRun> Runs(Extent range) => runs.Overlapping(range.Offset, range.End);

    /// <summary>The parts of <paramref name="range"/> that no record of the range touches: a write of these needs their old contents first.</summary>
    public List<Extent> Untouched(Extent range)
    {
        var untouched = new List<Extent>();
        var at = range.Offset;
        foreach (var run in runs.Overlapping(range.Offset, range.End))
        {
            if (run.Start > at) untouched.Add(Extent.FromEnds(at, run.Start));
            at = run.End;
        }

        if (at < range.End) untouched.Add(Extent.FromEnds(at, range.End));
        return untouched;
    }

    /// <summary>Sets what the range held at the start of the recovery range.</summary>
    public void SetUndo(StoredRecord undo) => SetUndo(undo.Extent, undo);

    public void SetUndo(Extent range, StoredRecord undo)
    {
        foreach (var run in Cut(range)) run.Undo = undo;
    }

    /// <summary>Adds a record, newer than every one before it.</summary>
    public void AddVersion(StoredRecord record)
    {
        foreach (var run in Cut(record.Extent)) run.Versions.Add(record);
    }

    /// <summary>Where each part of <paramref name="range"/> as of <paramref name="point"/> is to be read, in order, covering it exactly.</summary>
    public List<ContentSource> Resolve(Extent range, ulong point)
    {
        var sources = new List<ContentSource>();
        var at = range.Offset;
        foreach (var run in runs.Overlapping(range.Offset, range.End))
        {
            var part = run.Extent.Intersect(range);
            if (part.Offset > at) sources.Add(new ContentSource(Extent.FromEnds(at, part.Offset), null));
            var record = run.NewestAt(point) ?? run.Undo
                ?? throw new InvalidOperationException($"sectors {run.Extent} were overwritten and have no undo: the invariant \"undo before overwrite\" is broken");
            sources.Add(new ContentSource(part, record));
            at = part.End;
        }

        if (at < range.End) sources.Add(new ContentSource(Extent.FromEnds(at, range.End), null));
        return sources;
    }

    /// <summary>The parts of the disk from <paramref name="from"/> on that a record after <paramref name="point"/> touches, in order, adjoining ones as one.</summary>
    /// <param name="runsMax">Most runs looked at.</param>
    /// <returns>The parts, and where to go on; null at the end of the disk.</returns>
    public (List<Extent> Touched, long? Next) TouchedAfter(long from, ulong point, int runsMax)
    {
        var touched = new List<Extent>();
        foreach (var run in runs.Overlapping(from, long.MaxValue))
        {
            if (runsMax-- == 0) return (touched, run.Start);
            if (run.NewestSequence <= point) continue;
            if (touched.Count > 0 && touched[^1].End == run.Start) touched[^1] = Extent.FromEnds(touched[^1].Offset, run.End);
            else touched.Add(Extent.FromEnds(Math.Max(from, run.Start), run.End));
        }

        return (touched, null);
    }

    /// <summary>Adds each run's bytes to the last of the points that come before its newest record; an entry's sum with those after it is what was touched after that point.</summary>
    /// <param name="points">Sequences, ascending, each once.</param>
    /// <param name="bytes">As many entries.</param>
    /// <param name="runsMax">Most runs looked at.</param>
    /// <returns>Where to go on; null at the end of the disk.</returns>
    public long? CountTouched(ReadOnlySpan<ulong> points, Span<long> bytes, long from, int runsMax)
    {
        foreach (var run in runs.Overlapping(from, long.MaxValue))
        {
            if (runsMax-- == 0) return run.Start;
            var found = points.BinarySearch(run.NewestSequence);
            // Where the newest record is itself a point, that point holds it.
            var before = found < 0 ? ~found : found;
            if (before > 0) bytes[before - 1] += run.End - Math.Max(from, run.Start);
        }

        return null;
    }

    /// <summary>
    /// What has to be handed down before <paramref name="segment"/> is given up and the range starts at <paramref name="start"/>:
    /// for each run whose contents at the new start lie in that segment and that a later record names, where they lie.
    /// </summary>
    public IEnumerable<ContentSource> HandDown(IEnumerable<Extent> touchedBySegment, Segments.SegmentFile segment, ulong start)
    {
        var seen = new HashSet<SectorRun>();
        foreach (var extent in touchedBySegment)
        {
            foreach (var run in runs.Overlapping(extent.Offset, extent.End))
            {
                if (!seen.Add(run) || run.Versions.Count == 0 || run.Versions[^1].Sequence <= start) continue;
                var atStart = run.NewestAt(start) ?? run.Undo;
                if (atStart is not null && ReferenceEquals(atStart.Segment, segment)) yield return new ContentSource(run.Extent, atStart);
            }
        }
    }

    /// <summary>Moves the start of the range: records at or before <paramref name="start"/> become undo or, where nothing newer names their sectors, leave the index.</summary>
    public void Retire(IEnumerable<Extent> touchedBySegment, ulong start)
    {
        foreach (var extent in touchedBySegment)
        {
            foreach (var run in runs.Overlapping(extent.Offset, extent.End).ToList())
            {
                var newest = run.NewestAt(start);
                if (newest is null) continue;
                if (run.Versions[^1].Sequence <= start)
                {
                    runs.Remove(run);
                    continue;
                }

                run.Versions.RemoveAll(v => v.Sequence <= start);
                run.Undo = newest;
            }
        }
    }

    /// <summary>Drops runs that have an undo and no record: left over from segments that were retired before a crash.</summary>
    public void DropUndoWithoutVersions()
    {
        foreach (var run in runs.All().Where(r => r.Versions.Count == 0).ToList()) runs.Remove(run);
    }

    /// <summary>The first run without undo, or null: there is none in a sound journal.</summary>
    public SectorRun? FirstWithoutUndo() => runs.All().FirstOrDefault(r => r.Undo is null);

    /// <summary>The runs that make up exactly <paramref name="range"/>: existing ones are cut at its ends, gaps are filled with new ones.</summary>
    private List<SectorRun> Cut(Extent range)
    {
        var result = new List<SectorRun>();
        var added = new List<SectorRun>();
        var at = range.Offset;
        foreach (var run in runs.Overlapping(range.Offset, range.End))
        {
            var inside = run;
            if (inside.Start < range.Offset)
            {
                inside = inside.SplitAt(range.Offset);
                added.Add(inside);
            }

            if (inside.End > range.End) added.Add(inside.SplitAt(range.End));
            if (inside.Start > at)
            {
                var gap = new SectorRun(at, inside.Start);
                added.Add(gap);
                result.Add(gap);
            }

            result.Add(inside);
            at = inside.End;
        }

        if (at < range.End)
        {
            var gap = new SectorRun(at, range.End);
            added.Add(gap);
            result.Add(gap);
        }

        foreach (var run in added) runs.Insert(run);
        return result;
    }
}
