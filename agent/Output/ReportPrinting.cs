using System.Globalization;
using VmRepl.Agent.Output.Reports;

namespace VmRepl.Agent.Output;

/// <summary>The reports of the commands as people read them; with --json each is one object instead.</summary>
public static class ReportPrinting
{
    public static void Print(this CommandOutput output, StatusReport report) => output.Report(report, json => json.StatusReport, r =>
    {
        if (r.Groups.Count == 0) output.Line("Nothing is protected. Begin with \"vmrepl protect --help\".");
        for (var i = 0; i < r.Groups.Count; i++)
        {
            if (i > 0) output.Line();
            PrintGroup(output, r.Groups[i]);
        }
    });

    public static void Print(this CommandOutput output, PointsReport report) => output.Report(report, json => json.PointsReport, r =>
    {
        if (r.Points.Count == 0)
        {
            output.Line($"{r.Group}: no recovery point yet.");
            return;
        }

        var table = new TextTable(">Sequence", "Time (UTC)", "Bookmark", "Consistency");
        foreach (var point in r.Points) table.Add(Number(point.Sequence), IsoTime.Format(point.Time), point.Bookmark, point.Consistency);
        table.WriteTo(output);
    });

    public static void Print(this CommandOutput output, ProtectReport report) => output.Report(report, json => json.ProtectReport, r => output.Line(r.Point is null
        ? $"{r.Group}: {r.Phase}; \"vmrepl status {r.Group}\" tells when the first recovery point exists."
        : $"{r.Group}: protected. {Named(r.Point)}; {Quantities.Size(r.BytesSent)} sent in {Duration(r.DurationSeconds)}."));

    public static void Print(this CommandOutput output, UnprotectReport report) => output.Report(report, json => json.UnprotectReport, r =>
        output.Line($"{r.Group}: no longer protected. {r.Kept}"));

    public static void Print(this CommandOutput output, SyncReport report) => output.Report(report, json => json.SyncReport, r => output.Line(
        $"{r.Group}: {Named(r.Point)}; {Quantities.Size(r.ChangedBytes)} changed, {Quantities.Size(r.BytesSent)} sent ({Quantities.Size(r.DigestBytesSent)} digests) in {Duration(r.DurationSeconds)}."));

    public static void Print(this CommandOutput output, BookmarkReport report) => output.Report(report, json => json.BookmarkReport, r => output.Line($"{r.Group}: {Named(r.Point)}."));

    public static void Print(this CommandOutput output, RestoreReport report) => output.Report(report, json => json.RestoreReport, r =>
    {
        output.Line($"{r.Group}: restored to {r.Directory} as of {Named(new RecoveryPointReport(r.Sequence, r.Time, r.Bookmark))}, in {Duration(r.DurationSeconds)}.");
        foreach (var disk in r.Disks)
        {
            output.Line($"  {disk.Name}: {disk.File}, {disk.Format}, {Quantities.Size(disk.Size)}");
            output.Line($"    SHA-256 {disk.Sha256}");
        }
    });

    public static void Print(this CommandOutput output, RestorePlanReport report) => output.Report(report, json => json.RestorePlanReport, r =>
    {
        output.Line($"{r.Group}: would be restored to {r.Directory} as of {Named(new RecoveryPointReport(r.Sequence, r.Time, r.Bookmark))}. Nothing was touched.");
        var table = new TextTable("Disk", "File", "Format", ">Size", ">To read", ">To write");
        foreach (var disk in r.Disks)
            table.Add(disk.Name, disk.File, disk.Format, Quantities.Size(disk.Size), Quantities.Size(disk.ReadBytes), Quantities.Size(disk.WriteBytes));
        table.WriteTo(output);
        output.Line($"{Quantities.Size(r.ReadBytes)} to read and {Quantities.Size(r.WriteBytes)} to write: about {Duration(r.EstimatedSeconds)} at {Quantities.Rate(r.BytesPerSecond)}.");
        output.Line($"{Quantities.Size(r.FreeBytes)} are free there: {(r.Fits ? "enough" : "NOT enough")}.");
    });

    private static void PrintGroup(CommandOutput output, GroupStatus group)
    {
        output.Line($"{group.Name}: {group.Phase}, {(group.InSync ? "in sync" : "not in sync")} with {group.Replica}");
        output.Line($"  behind by: {Quantities.Size(group.LagBytes)}{(group.LagSeconds is { } lag ? $", newest point {Duration(lag)} old" : "")}");
        if (group.LastPoint is { } point) output.Line($"  newest: {Named(point)}");
        if (group.RecoveryRange is { } range) output.Line($"  can be restored: {IsoTime.Format(range.From)} to {IsoTime.Format(range.To)}");
        output.Line($"  promise: {group.Promise}");
        if (group.LastError is { } error) output.Line($"  last failure: {error}");
        foreach (var disk in group.Disks) output.Line($"  disk {disk.Name}: {disk.File}, {disk.Format}, {Quantities.Size(disk.Size)}");
    }

    private static string Named(RecoveryPointReport point) =>
        $"point {Number(point.Sequence)} of {IsoTime.Format(point.Time)}{(point.Bookmark is { } name ? $" \"{name}\"" : "")}";

    private static string Number(ulong sequence) => sequence.ToString(CultureInfo.InvariantCulture);

    private static string Duration(double seconds) => Quantities.Duration(TimeSpan.FromSeconds(Math.Clamp(seconds, 0, 1e9)));
}
