using System.Globalization;
using VmRepl.Agent.Output.Reports;
using VmRepl.Journal.Scrub;

namespace VmRepl.Agent.Output;

/// <summary>What a scrub says.</summary>
internal static class ScrubText
{
    // More would be scrolled past; --json has them.
    private const int PointsShown = 8;

    public static void Write(ScrubResultReport r, CommandOutput output)
    {
        foreach (var damage in r.Damage) Write(damage, output);
        if (r.DamageCount > r.Damage.Count) output.Line(string.Create(CultureInfo.InvariantCulture, $"and {r.DamageCount - r.Damage.Count} more"));
        var verified = string.Create(CultureInfo.InvariantCulture, $"{r.RegionsVerified} regions of live images are as they were, {r.RegionsNew} are kept in mind for the next scrub");
        if (r.RegionsUnverified > 0) verified += string.Create(CultureInfo.InvariantCulture, $", {r.RegionsUnverified} could not be verified yet");
        output.Line($"Group {r.Group}: {(r.DamageCount == 0 ? "clean" : "DAMAGED")}; {Quantities.Size(r.ScannedBytes)} read in {Quantities.Duration(TimeSpan.FromSeconds(r.DurationSeconds))}; {verified}.");
    }

    /// <summary>The last line about a whole store.</summary>
    public static void WriteSum(StoreScrubReport r, string store, CommandOutput output)
    {
        var count = r.Groups.Count + r.Failures.Count;
        var damaged = r.Groups.Count(g => g.DamageCount > 0);
        var failed = r.Failures.Count == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $", {r.Failures.Count} not scrubbed");
        output.Line(count == 0 ? $"Store {store} holds no groups."
            : string.Create(CultureInfo.InvariantCulture, $"Store {store}: {count} group{(count == 1 ? "" : "s")}, {r.Groups.Count - damaged} clean, {damaged} damaged{failed}."));
    }

    private static void Write(DamageReport damage, CommandOutput output)
    {
        var sectors = damage.Disk is null ? "" : string.Create(CultureInfo.InvariantCulture, $"disk {damage.Disk}, sectors {damage.FirstSector} to {damage.FirstSector + damage.SectorCount - 1}: ");
        output.Line($"{sectors}{damage.Where}");
        var points = string.Join(", ", damage.Points.Take(PointsShown).Select(p => p.Sequence.ToString(CultureInfo.InvariantCulture) + (p.Bookmark is null ? "" : $" ({p.Bookmark})")));
        var more = damage.PointCount > PointsShown ? string.Create(CultureInfo.InvariantCulture, $" and {damage.PointCount - PointsShown} more") : "";
        output.Line(damage.PointCount == 0 ? "  spoils no recovery point" : $"  spoils recovery point{(damage.PointCount == 1 ? "" : "s")} {points}{more}");
    }

    public static ScrubResultReport Describe(ScrubReport report) => new(
        report.Group, report.ScannedBytes, report.RegionsVerified, report.RegionsNew, report.RegionsUnverified, report.DamageCount,
        [.. report.Damage.Select(d => new DamageReport(d.Disk, d.FirstSector, d.SectorCount, d.Where, d.PointCount, [.. d.Points.Select(p => new RecoveryPointReport(p.Sequence, p.Time, p.Bookmark))]))],
        report.Duration.TotalSeconds);
}
