using VmRepl.Agent.Output.Reports;

namespace VmRepl.Agent.Output;

/// <summary>The clones, for a person: what is a clone or may become one, then the first of what is none.</summary>
internal static class ClonesText
{
    private const int QuarantinedMax = 50;

    public static void Write(ClonesReport report, CommandOutput output)
    {
        var clones = report.Clones.Where(c => c.State != "quarantined").ToList();
        var strange = report.Clones.Where(c => c.State == "quarantined").ToList();
        if (report.Clones.Count == 0) output.Line("No clone is known. vmrepl clone makes one of a served group; vmrepl agent --clones DIR watches a directory that they are dropped into.");
        if (clones.Count > 0)
        {
            var table = new TextTable("clone", "of", "state", ">own", "written", "why");
            foreach (var clone in clones) table.Add(clone.Name, clone.Base, clone.State, Quantities.Size(clone.OwnBytes), IsoTime.Format(clone.Time), clone.Reason);
            table.WriteTo(output);
        }

        foreach (var file in strange.Take(QuarantinedMax)) output.Line(Printable.Line($"Quarantined: {Path.Combine(file.Directory, file.Name)}: {file.Reason}"));
        if (strange.Count > QuarantinedMax) output.Line($"And {strange.Count - QuarantinedMax} more quarantined; --json lists them all.");
    }
}
