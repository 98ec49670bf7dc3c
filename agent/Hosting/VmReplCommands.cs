using VmRepl.Agent.Commands;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Demo;
using VmRepl.Agent.Hosting.Api;
using VmRepl.Agent.Output;
using VmRepl.Agent.Output.Reports;
using VmRepl.Images;
using VmRepl.Replication.Restore;
using VmRepl.Replication.Source;
using VmRepl.Replication.Source.Following;

namespace VmRepl.Agent.Hosting;

/// <summary>What the commands do.</summary>
internal sealed class VmReplCommands : IVmReplCommands
{
    public Task<int> DemoAsync(DemoArguments arguments, CommandOutput output, CancellationToken cancellation) => new DemoRun(arguments, output).RunAsync(cancellation);

    public async Task<int> ReplicaAsync(ReplicaArguments arguments, CommandOutput output, CancellationToken cancellation)
    {
        await ReplicaHost.RunAsync(arguments, cancellation);
        return ExitCode.Done;
    }

    public async Task<int> AgentAsync(AgentArguments arguments, CommandOutput output, CancellationToken cancellation)
    {
        await AgentHost.RunAsync(arguments, cancellation);
        return ExitCode.Done;
    }

    public async Task<int> ProtectAsync(ProtectArguments arguments, CommandOutput output, CancellationToken cancellation)
    {
        using var client = new AgentClient(arguments.Socket);
        var body = new ProtectBody(arguments.Group, [.. arguments.Disks.Select(d => new ProtectBody.Disk(d.Name, d.File, d.Format?.Name()))], arguments.To.Host, arguments.To.Port,
            arguments.DefinitionFile, arguments.Allow, arguments.Metadata, arguments.NoWait)
        {
            Seeds = arguments.Seeds.Count == 0 ? null : [.. arguments.Seeds.Select(s => new ProtectBody.Disk(s.Name, s.File, s.Format?.Name()))],
            Capture = arguments.How.Capture == CaptureMode.Served ? "served" : "snapshot",
            Acknowledgement = FollowingReports.Name(arguments.How.Acknowledgement),
            OnLoss = arguments.How.OnLoss == LossRule.Stop ? "stop" : "continue",
        };
        var report = (await RunAsync(client, "/v1/groups", body, $"baseline of {arguments.Group}", output, cancellation)).Protected!;
        foreach (var disk in arguments.Disks.Where(d => d.Format is null))
            output.Note($"{disk.Name}: {disk.File} is {report.Disks.First(d => d.Name == disk.Name).Format}, by its first bytes; it stays so for the group's life.");
        foreach (var disk in report.Disks.Where(d => d.Seed is { BytesCopied: not null }))
            output.Note($"{disk.Name}: the replica took {Quantities.Size(disk.Seed!.BytesCopied!.Value)} from {disk.Seed.File}{(disk.Seed.Format is { } format ? $" ({format})" : "")}{(disk.Seed.Problem is { } problem ? $"; {problem}" : "")}.");
        output.Report(report, j => j.ProtectReport, r => output.Line(r.Point is { } point
            ? $"Group {r.Group} is protected: {r.Disks.Count} disk{(r.Disks.Count == 1 ? "" : "s")}, first recovery point {point.Sequence} at {IsoTime.Format(point.Time)}; {Quantities.Size(r.BytesSent)} sent in {Quantities.Duration(TimeSpan.FromSeconds(r.DurationSeconds))}."
            : $"Group {r.Group}: the baseline has begun; vmrepl status {r.Group} shows how far it is."));
        return ExitCode.Done;
    }

    public async Task<int> UnprotectAsync(GroupArguments arguments, CommandOutput output, CancellationToken cancellation)
    {
        using var client = new AgentClient(arguments.Socket);
        var report = await client.DeleteAsync<UnprotectReport>($"/v1/groups/{arguments.Group}", cancellation);
        output.Report(report, j => j.UnprotectReport, r => output.Line($"Group {r.Group} is not protected any more. {r.Kept}"));
        return ExitCode.Done;
    }

    public async Task<int> ServeAsync(GroupArguments arguments, CommandOutput output, CancellationToken cancellation)
    {
        using var client = new AgentClient(arguments.Socket);
        var report = await client.GetAsync<ServeReport>($"/v1/groups/{arguments.Group}/serve", cancellation);
        output.Report(report, j => j.ServeReport, r =>
        {
            foreach (var export in r.Exports) output.Line($"{export.Disk}  {export.Uri}");
        });
        return ExitCode.Done;
    }

    public async Task<int> WhyAsync(GroupArguments arguments, CommandOutput output, CancellationToken cancellation)
    {
        using var client = new AgentClient(arguments.Socket);
        var report = await client.GetAsync<WhyReport>($"/v1/groups/{arguments.Group}/why", cancellation);
        output.Report(report, j => j.WhyReport, r =>
        {
            if (r.Decisions.Count == 0) output.Line($"Group {r.Group} has had no link to its replica yet.");
            foreach (var decision in r.Decisions)
                output.Line($"{IsoTime.Format(decision.Time)}  {decision.Decision}, because {decision.Cause}; {Quantities.Size(decision.MarkedBytes)} were marked as possibly different{(decision.BroughtOverBytes is { } cost ? $", {Quantities.Size(cost)} were brought over" : "")}{(decision.Times > 1 ? $", {decision.Times} times" : "")}.");
        });
        return ExitCode.Done;
    }

    public async Task<int> SyncAsync(GroupArguments arguments, CommandOutput output, CancellationToken cancellation)
    {
        using var client = new AgentClient(arguments.Socket);
        var report = (await RunAsync(client, $"/v1/groups/{arguments.Group}/sync", null, $"sync of {arguments.Group}", output, cancellation)).Synced!;
        output.Report(report, j => j.SyncReport, r => output.Line(
            $"Group {r.Group}: recovery point {r.Point.Sequence} at {IsoTime.Format(r.Point.Time)}; {Quantities.Size(r.ChangedBytes)} had changed, {Quantities.Size(r.BytesSent)} sent ({Quantities.Size(r.DigestBytesSent)} of it digests) in {Quantities.Duration(TimeSpan.FromSeconds(r.DurationSeconds))}."));
        return ExitCode.Done;
    }

    public async Task<int> BookmarkAsync(BookmarkArguments arguments, CommandOutput output, CancellationToken cancellation)
    {
        using var client = new AgentClient(arguments.Socket);
        var report = await client.PostAsync<BookmarkReport>($"/v1/groups/{arguments.Group}/bookmarks", new BookmarkBody(arguments.Name), cancellation);
        output.Report(report, j => j.BookmarkReport, r => output.Line($"Group {r.Group}: recovery point {r.Point.Sequence} at {IsoTime.Format(r.Point.Time)} is named {r.Point.Bookmark}."));
        return ExitCode.Done;
    }

    public async Task<int> StatusAsync(StatusArguments arguments, CommandOutput output, CancellationToken cancellation)
    {
        using var client = new AgentClient(arguments.Socket);
        var report = await client.GetAsync<StatusReport>("/v1/status", cancellation);
        if (arguments.Group is { } name)
        {
            report = new StatusReport([.. report.Groups.Where(g => g.Name == name)]);
            if (report.Groups.Count == 0) throw new CommandFailure($"This agent protects no group named {name}.", "vmrepl status lists those that it does.", name);
        }

        output.Report(report, j => j.StatusReport, r => StatusText.Write(r, output));
        return ExitCode.Done;
    }

    public async Task<int> CloneAsync(CloneArguments arguments, CommandOutput output, CancellationToken cancellation)
    {
        using var client = new AgentClient(arguments.Socket);
        var report = (await RunAsync(client, $"/v1/groups/{arguments.Group}/clones", new CloneBody(arguments.Name), $"clone of {arguments.Group}", output, cancellation)).Cloned!;
        output.Report(report, j => j.MadeCloneReport, r =>
        {
            output.Line($"Group {r.Group} is cloned as {Printable.Line(r.Name)} at sequence {r.Point.Sequence}, {IsoTime.Format(r.Point.Time)}; writes were held for {r.HoldMs.ToString("0.00", System.Globalization.CultureInfo.InvariantCulture)} ms at most.");
            foreach (var disk in r.Disks) output.Line($"{disk.Name}  {disk.File}");
            output.Line(r.State == "protected"
                ? $"The replica has all of it; {Quantities.Size(r.OwnBytes)} sent."
                : $"The replica does not have all of it yet{(r.Reason is { } reason ? $": {Printable.Line(reason)}" : "")}; vmrepl clones shows how far it is.");
        });
        return ExitCode.Done;
    }

    public async Task<int> ClonesAsync(ClonesArguments arguments, CommandOutput output, CancellationToken cancellation)
    {
        using var client = new AgentClient(arguments.Socket);
        var report = await client.GetAsync<ClonesReport>("/v1/clones", cancellation);
        if (arguments.Group is { } group) report = new ClonesReport([.. report.Clones.Where(c => c.Group == group)]);
        output.Report(report, j => j.ClonesReport, r => ClonesText.Write(r, output));
        return ExitCode.Done;
    }

    public async Task<int> PointsAsync(PointsArguments arguments, CommandOutput output, CancellationToken cancellation)
    {
        await using var reader = await PastReaders.OpenAsync(arguments.Source, arguments.Group, cancellation);
        var range = await reader.RangeAsync(arguments.Group, cancellation);
        var report = new PointsReport(
            arguments.Group,
            [.. range.Points.Select(p => new PointReport(p.Point.Sequence, p.Point.Time, p.Point.Bookmark, p.Point.Consistency, p.RewindBytes, p.RewindSeconds))],
            [.. range.Runs.Select(r => new PointRunReport(r.FirstSequence, r.FirstTime, r.LastSequence, r.LastTime))]);
        output.Report(report, j => j.PointsReport, r =>
        {
            if (r.Points.Count == 0) output.Line($"Group {r.Group} has no recovery point yet.");
            if (r.Points.Count == 0) return;
            var table = new TextTable(">sequence", "time", "bookmark", "consistency", ">to rewind", ">takes");
            foreach (var point in r.Points)
            {
                table.Add(point.Sequence.ToString(System.Globalization.CultureInfo.InvariantCulture), IsoTime.Format(point.Time), point.Bookmark, point.Consistency,
                    Quantities.Size(point.RewindBytes), point.RewindSeconds is { } seconds ? Quantities.Duration(TimeSpan.FromSeconds(seconds)) : "");
            }

            table.WriteTo(output);
            foreach (var run in r.Runs)
                output.Line($"Every write was followed from {IsoTime.Format(run.FirstTime)} to {IsoTime.Format(run.LastTime)}: each sequence from {run.FirstSequence} to {run.LastSequence} is a point.");
        });
        return ExitCode.Done;
    }

    public async Task<int> RewindAsync(RewindArguments arguments, CommandOutput output, CancellationToken cancellation)
    {
        var started = TimeProvider.System.GetTimestamp();
        var result = output.IsJson ? await Rewinds.RunAsync(arguments, (_, _) => { }, cancellation)
            : await output.Progress.RunAsync(group =>
            {
                IProgress<long>? track = null;
                return Rewinds.RunAsync(arguments, (total, done) => (track ??= group.Add($"rewind of {arguments.Group}", total)).Report(done), cancellation);
            });
        var report = new RewindReport(arguments.Group, Named(result.Made), Named(result.Target), result.Bytes, TimeProvider.System.GetElapsedTime(started).TotalSeconds);
        output.Report(report, j => j.RewindReport, r => output.Line(
            $"Group {r.Group}: the live images are as of {IsoTime.Format(r.To.Time)} (sequence {r.To.Sequence}{(r.To.Bookmark is null ? "" : $", bookmark {r.To.Bookmark}")}), which is recovery point {r.Point.Sequence} now; {Quantities.Size(r.RewoundBytes)} went back in {Quantities.Duration(TimeSpan.FromSeconds(r.DurationSeconds))}. Every earlier point is kept."));
        return ExitCode.Done;

        static RecoveryPointReport Named(Journal.Points.RecoveryPoint point) => new(point.Sequence, point.Time, point.Bookmark);
    }

    public async Task<int> RestoreAsync(RestoreArguments arguments, CommandOutput output, CancellationToken cancellation)
    {
        var started = TimeProvider.System.GetTimestamp();
        await using var reader = await PastReaders.OpenAsync(arguments.Source, arguments.Group, cancellation);
        var clone = arguments.CloneName is { } name ? await StoredClones.FindAsync(reader, arguments.Group, name, cancellation) : null;
        await using var view = clone is not null ? await StoredClones.OpenAsync(reader, clone, cancellation) : await reader.OpenAsync(arguments.Group, arguments.At.ToString()!, cancellation);
        foreach (var disk in clone ?? []) output.Note($"{Printable.Line(disk.Name)} is a clone of {Printable.Line(disk.Base)}, last written {IsoTime.Format(disk.Time)}.");
        var restore = new VmRestore(arguments.Group, view, arguments.To, arguments.Format);
        if (arguments.Plan)
        {
            RestoreText.Write(restore.Plan(TimeProvider.System), arguments.Group, arguments.To, output);
            return ExitCode.Done;
        }

        var disks = await output.Progress.RunAsync(group => Task.Run(() => restore.Run(group.Add, TimeProvider.System, cancellation), cancellation));
        RestoreText.Write(view.Point, disks, arguments.Group, arguments.To, TimeProvider.System.GetElapsedTime(started), output);
        return ExitCode.Done;
    }

    public Task<int> DiffPointsAsync(PointDiffArguments arguments, CommandOutput output, CancellationToken cancellation) => new PointDiffRun(arguments, output).RunAsync(cancellation);

    public Task<int> AttachAsync(AttachArguments arguments, CommandOutput output, CancellationToken cancellation) => new AttachRun(output).AttachAsync(arguments, cancellation);

    public Task<int> DetachAsync(DetachArguments arguments, CommandOutput output, CancellationToken cancellation) => new AttachRun(output).DetachAsync(arguments, cancellation);

    public Task<int> TestFailoverAsync(TestFailoverArguments arguments, CommandOutput output, CancellationToken cancellation) => new TestFailoverRun(arguments, output).RunAsync(cancellation);

    public Task<int> ScrubAsync(ScrubArguments arguments, CommandOutput output, CancellationToken cancellation) => new ScrubRun(arguments, output).RunAsync(cancellation);

    /// <summary>Shows the agent's progress as this command's own; what it waits for is said once.</summary>
    private static async Task<AgentEvent> RunAsync(AgentClient client, string path, object? body, string title, CommandOutput output, CancellationToken cancellation)
    {
        string? waiting = null;
        if (output.IsJson) return await client.RunAsync(path, body, SayWaiting, cancellation);
        return await output.Progress.RunAsync(group =>
        {
            IProgress<long>? track = null;
            long total = 0;
            // The total grows while the disks' maps are read; a line is begun when it is known and begun anew when it has grown.
            return client.RunAsync(path, body, p =>
            {
                SayWaiting(p);
                if (p.TotalBytes == 0) return;
                if (track is null || p.TotalBytes != total) track = group.Add(title, total = p.TotalBytes);
                track.Report(p.DoneBytes);
            }, cancellation);
        });

        void SayWaiting(AgentEvent.ProgressEvent p)
        {
            // Its bytes change all the time; that it waits is the news.
            if (p.Waiting is not null && waiting is null) output.Note($"{title}: {p.Waiting}");
            waiting = p.Waiting;
        }
    }
}
