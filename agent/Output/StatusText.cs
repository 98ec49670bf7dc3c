using System.Globalization;
using VmRepl.Agent.Output.Reports;

namespace VmRepl.Agent.Output;

/// <summary>The status of groups, for a person.</summary>
internal static class StatusText
{
    public static void Write(StatusReport report, CommandOutput output)
    {
        if (report.Groups.Count == 0)
        {
            output.Line("No group is protected. vmrepl protect --help shows how to begin.");
            return;
        }

        var table = new TextTable("group", "phase", "in sync", "newest point", "bookmark", ">age", "replica", "disks");
        foreach (var group in report.Groups)
        {
            table.Add(group.Name, group.Phase, group.InSync ? "yes" : "no", group.LastPoint is { } point ? IsoTime.Format(point.Time) : null, group.LastPoint?.Bookmark,
                group.LagSeconds is { } lag ? Quantities.Duration(TimeSpan.FromSeconds(lag)) : null, group.Replica,
                string.Join(", ", group.Disks.Select(d => $"{d.Name} {Quantities.Size(d.Size)}")));
        }

        table.WriteTo(output);
        foreach (var group in report.Groups)
        {
            output.Line($"{group.Name}: {group.Promise}");
            if (group.Following is { } following) WriteFollowing(group.Name, following, output);
            if (group.Waiting is { } waiting) output.Line($"{group.Name}: {waiting}");
            foreach (var disk in group.Disks.Where(d => d.Seed is { Problem: not null })) output.Line($"{group.Name}: disk {disk.Name}: the seed {disk.Seed!.File}: {disk.Seed.Problem}");
            if (group.Scrub is { } scrub) output.Line($"{group.Name}: {Describe(scrub)}");
            if (group.LastError is { } error) output.Line($"{group.Name}: last failure: {error}");
        }
    }

    private static void WriteFollowing(string name, FollowingReport following, CommandOutput output)
    {
        var since = following.Since is { } time ? $" since {IsoTime.Format(time)}" : "";
        output.Line(string.Create(CultureInfo.InvariantCulture, $"{name}: {following.Acknowledgement}{(following.OnLoss is null ? "" : $", on loss {following.OnLoss}")}; {(following.PromiseInForce ? "holds" : "does NOT hold")}{since}; {(following.LagSeconds is { } lag ? string.Create(CultureInfo.InvariantCulture, $"{lag:0.0} s behind, ") : "")}{Quantities.Size(following.DirtyBytes)} marked ({following.DirtyPrecision}), credit {Quantities.Size(following.CreditBytes)}, sequence {following.Last}"));
        if (following.BytesPerSecond is { } rate)
            output.Line($"{name}: {Quantities.Size(following.ToCopyBytes)} to be brought over, {Quantities.Rate(rate)}{(following.SecondsLeft is { } left ? $", {Quantities.TimeLeft(TimeSpan.FromSeconds(left))} left" : "")}");
        if (following.PromiseEndedAt is { } ended && !following.PromiseInForce) output.Line($"{name}: the last promise held up to sequence {ended}, {IsoTime.Format(following.PromiseEnded!.Value)}");
        if (following.Happened is { } happened) output.Line($"{name}: {happened}");
    }

    private static string Describe(ScrubStatus scrub) => scrub.AgeSeconds is { } age
        ? string.Create(CultureInfo.InvariantCulture, $"last scrubbed {Quantities.Duration(TimeSpan.FromSeconds(age))} ago, {scrub.CoveragePercent:0.#} % of the live images verified")
            + (scrub.DamageCount == 0 ? ", no damage" : string.Create(CultureInfo.InvariantCulture, $", DAMAGED in {scrub.DamageCount} places (vmrepl scrub names them)"))
        : "not scrubbed yet";
}
