namespace VmRepl.Journal.Scrub;

/// <summary>What is kept of a group's last scrub; the file <c>scrub.json</c>.</summary>
/// <param name="Finished">When it ended.</param>
public sealed record LastScrub(DateTimeOffset Finished, long ScannedBytes, long RegionsVerified, long RegionsNew, long RegionsUnverified, long DamageCount, double DurationSeconds)
{
    public static LastScrub Of(ScrubReport report, DateTimeOffset finished) =>
        new(finished, report.ScannedBytes, report.RegionsVerified, report.RegionsNew, report.RegionsUnverified, report.DamageCount, report.Duration.TotalSeconds);
}
