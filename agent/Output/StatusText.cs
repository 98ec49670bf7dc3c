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
            if (group.Waiting is { } waiting) output.Line($"{group.Name}: {waiting}");
            if (group.Scrub is { } scrub) output.Line($"{group.Name}: {Describe(scrub)}");
            if (group.LastError is { } error) output.Line($"{group.Name}: last failure: {error}");
        }
    }

    private static string Describe(ScrubStatus scrub) => scrub.AgeSeconds is { } age
        ? string.Create(CultureInfo.InvariantCulture, $"last scrubbed {Quantities.Duration(TimeSpan.FromSeconds(age))} ago, {scrub.CoveragePercent:0.#} % of the live images verified")
            + (scrub.DamageCount == 0 ? ", no damage" : string.Create(CultureInfo.InvariantCulture, $", DAMAGED in {scrub.DamageCount} places (vmrepl scrub names them)"))
        : "not scrubbed yet";
}
