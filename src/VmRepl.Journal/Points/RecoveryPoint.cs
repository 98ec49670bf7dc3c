namespace VmRepl.Journal.Points;

/// <summary>A sequence at which a group is consistent.</summary>
/// <param name="Sequence">The point holds everything up to and including this sequence.</param>
/// <param name="TimeUs">Source's clock, microseconds since 1970 UTC.</param>
/// <param name="Bookmark">Its name, or null.</param>
/// <param name="Consistency">"crash" or "application".</param>
public sealed record RecoveryPoint(ulong Sequence, long TimeUs, string? Bookmark, string Consistency)
{
    public const string Crash = "crash";

    public DateTimeOffset Time => DateTimeOffset.UnixEpoch.AddTicks(TimeUs * 10);
}
