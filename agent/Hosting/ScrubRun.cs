using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Output;
using VmRepl.Agent.Output.Reports;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Scrub;
using VmRepl.Journal.Store;
using VmRepl.Replication.Reading;

namespace VmRepl.Agent.Hosting;

/// <summary><c>vmrepl scrub</c>: one group, or every group of a store, one after the other.</summary>
internal sealed class ScrubRun(ScrubArguments arguments, CommandOutput output)
{
    public async Task<int> RunAsync(CancellationToken cancellation)
    {
        if (arguments is { Group: null, Source: PointSource.Store store }) return await RunStoreAsync(store, cancellation);
        var group = arguments.Group ?? throw new CommandFailure("No group is named.");
        await using var reader = await PastReaders.OpenAsync(arguments.Source, group, cancellation);
        var report = await ScrubAsync(reader, group, cancellation);
        output.Report(ScrubText.Describe(report), j => j.ScrubResultReport, r => ScrubText.Write(r, output));
        return report.IsClean ? ExitCode.Done : ExitCode.Failed;
    }

    /// <summary>A group that cannot be scrubbed is said to be so, and the next ones are scrubbed all the same.</summary>
    private async Task<int> RunStoreAsync(PointSource.Store source, CancellationToken cancellation)
    {
        await using var reader = await PastReaders.OpenAsync(source, "", cancellation);
        List<ScrubResultReport> reports = [];
        List<FailureDescription> failures = [];
        foreach (var group in ReplicaStore.GroupNames(new HostDirectory(source.Directory)))
        {
            try
            {
                var report = ScrubText.Describe(await ScrubAsync(reader, group, cancellation));
                reports.Add(report);
                if (!output.IsJson) ScrubText.Write(report, output);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                var failure = FailureReading.Read(e, group);
                failures.Add(new FailureDescription(failure.Message, failure.Hint, group));
                if (!output.IsJson) output.Failure(failure, trace: false);
            }
        }

        var all = new StoreScrubReport(reports, failures);
        output.Report(all, j => j.StoreScrubReport, r => ScrubText.WriteSum(r, source.Directory, output));
        return failures.Count == 0 && reports.All(r => r.DamageCount == 0) ? ExitCode.Done : ExitCode.Failed;
    }

    private Task<ScrubReport> ScrubAsync(IPastReader reader, string group, CancellationToken cancellation) => output.Progress.RunAsync(shown =>
    {
        IProgress<long>? track = null;
        return reader.ScrubAsync(group, arguments.BytesPerSecond, p =>
        {
            // Nothing is known before the first word of it.
            if (p.TotalBytes == 0) return;
            track ??= shown.Add($"scrub of {group}", p.TotalBytes);
            track.Report(p.DoneBytes);
        }, cancellation);
    });
}
