namespace VmRepl.Journal.Points;

/// <summary>The points within some spans of sequences.</summary>
/// <param name="Points">Those that records made, oldest first.</param>
/// <param name="InRuns">First and last sequence, both inclusive, of what lies in runs beyond these: apart from each other, ascending.</param>
internal sealed record PointSpans(List<RecoveryPoint> Points, List<(ulong First, ulong Last)> InRuns)
{
    /// <param name="points">Oldest first.</param>
    /// <param name="runs">Oldest first, apart from each other.</param>
    /// <param name="spans">First and last sequence, both inclusive, in any order.</param>
    public static PointSpans Of(IReadOnlyList<RecoveryPoint> points, IReadOnlyList<PointRun> runs, List<(ulong First, ulong Last)> spans)
    {
        var inRuns = new List<(ulong First, ulong Last)>();
        foreach (var span in spans.OrderBy(s => s.First))
        {
            foreach (var run in runs)
            {
                var (first, last) = (Math.Max(span.First, run.FirstSequence), Math.Min(span.Last, run.LastSequence));
                if (first > last) continue;
                if (inRuns is [.., var before] && before.Last >= run.FirstSequence && first <= before.Last + 1) inRuns[^1] = (before.First, Math.Max(before.Last, last));
                else inRuns.Add((first, last));
            }
        }

        return new PointSpans([.. points.Where(p => spans.Exists(s => p.Sequence >= s.First && p.Sequence <= s.Last))], inRuns);
    }
}
