namespace VmRepl.Journal.Points;

/// <summary>
/// A stretch in which every write was followed: each sequence from the first to the last, both inclusive, is a recovery point. A sequence without a record in it holds what the one before it holds.
/// </summary>
/// <param name="FirstSequence">A recovery point of its own: the end of a resync, a bookmark, or the start of the range.</param>
/// <param name="FirstTimeUs">Source's clock, microseconds since 1970 UTC.</param>
/// <param name="LastSequence">The newest record of contents or metadata in it.</param>
/// <param name="LastTimeUs">Source's clock, microseconds since 1970 UTC.</param>
public sealed record PointRun(ulong FirstSequence, long FirstTimeUs, ulong LastSequence, long LastTimeUs)
{
    public DateTimeOffset FirstTime => DateTimeOffset.UnixEpoch.AddTicks(FirstTimeUs * 10);

    public DateTimeOffset LastTime => DateTimeOffset.UnixEpoch.AddTicks(LastTimeUs * 10);

    /// <summary>The newest point in it.</summary>
    public RecoveryPoint Last => new(LastSequence, LastTimeUs, null, RecoveryPoint.Crash);

    public bool Contains(ulong sequence) => sequence >= FirstSequence && sequence <= LastSequence;
}
