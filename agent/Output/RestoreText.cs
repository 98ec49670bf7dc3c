using VmRepl.Agent.Output.Reports;
using VmRepl.Images;
using VmRepl.Journal.Points;
using VmRepl.Replication.Restore;

namespace VmRepl.Agent.Output;

/// <summary>What a restore did, or would do, as report and for a person.</summary>
internal static class RestoreText
{
    public static void Write(RecoveryPoint point, IReadOnlyList<RestoredDiskFile> disks, string group, string directory, TimeSpan duration, CommandOutput output)
    {
        var report = new RestoreReport(group, point.Sequence, point.Time, point.Bookmark, directory,
            [.. disks.Select(d => new RestoredDisk(d.Name, d.File, d.Format.Name(), d.Length, d.Sha256))], duration.TotalSeconds, disks.Sum(d => d.Writing.TotalSeconds));
        output.Report(report, j => j.RestoreReport, r =>
        {
            output.Line($"Group {r.Group} as of {IsoTime.Format(r.Time)} (sequence {r.Sequence}{(r.Bookmark is null ? "" : $", bookmark {r.Bookmark}")}) is in {r.Directory}, in {Quantities.Duration(duration)}: the disks were written in {Quantities.Duration(TimeSpan.FromSeconds(r.WriteSeconds))}, the rest is reading them back.");
            var table = new TextTable("disk", "file", ">size", "SHA-256 of the contents, read back");
            foreach (var disk in r.Disks) table.Add(disk.Name, Path.GetFileName(disk.File), Quantities.Size(disk.Size), disk.Sha256);
            table.WriteTo(output);
        });
    }

    public static void Write(RestorePlan plan, string group, string directory, CommandOutput output)
    {
        var seconds = plan.BytesPerSecond > 0 ? plan.DataBytes / plan.BytesPerSecond : 0;
        var report = new RestorePlanReport(group, plan.Point.Sequence, plan.Point.Time, plan.Point.Bookmark, directory,
            [.. plan.Disks.Select(d => new PlannedDisk(d.Name, d.File, d.Format.Name(), d.Length, d.DataBytes, d.DataBytes))],
            plan.DataBytes, plan.DataBytes, plan.FreeBytes, plan.BytesPerSecond, seconds, plan.DataBytes <= plan.FreeBytes);
        output.Report(report, j => j.RestorePlanReport, r =>
        {
            output.Line($"Group {r.Group} as of {IsoTime.Format(r.Time)} (sequence {r.Sequence}{(r.Bookmark is null ? "" : $", bookmark {r.Bookmark}")}) would be written to {r.Directory}. Nothing was touched.");
            var table = new TextTable("disk", "file", ">size", ">to read and write");
            foreach (var disk in r.Disks) table.Add(disk.Name, Path.GetFileName(disk.File), Quantities.Size(disk.Size), Quantities.Size(disk.ReadBytes));
            table.WriteTo(output);
            output.Line($"{Quantities.Size(r.ReadBytes)} in about {Quantities.Duration(TimeSpan.FromSeconds(r.EstimatedSeconds))} at {Quantities.Rate(r.BytesPerSecond)}, measured just now by reading; {Quantities.Size(r.FreeBytes)} free at the target: {(r.Fits ? "it fits" : "it does NOT fit")}.");
        });
    }
}
