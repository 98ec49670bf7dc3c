namespace VmRepl.Journal.Points;

/// <summary>What a group has to choose a point from.</summary>
/// <param name="Group">For messages.</param>
/// <param name="Points">Those that records made, oldest first.</param>
/// <param name="Runs">The stretches in which every sequence is one, oldest first.</param>
/// <param name="Resyncs">Sequences with which each resync began and ended, 0 for one that has not; oldest first.</param>
/// <param name="NewestRecord">The newest record up to a sequence and a time in microseconds, both inclusive; null where there is none any more.</param>
internal sealed record PointChoice(
    string Group, IReadOnlyList<RecoveryPoint> Points, IReadOnlyList<PointRun> Runs, IReadOnlyList<(ulong Begin, ulong End)> Resyncs, Func<ulong, long, RecordMoment?> NewestRecord)
{
    /// <summary>The newest point; there is one.</summary>
    public RecoveryPoint Newest => Runs.Count > 0 && Runs[^1].LastSequence > Points[^1].Sequence ? Runs[^1].Last : Points[^1];
}
