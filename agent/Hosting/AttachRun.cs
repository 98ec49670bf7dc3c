using System.Globalization;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Output;
using VmRepl.Agent.Output.Reports;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Messages;
using VmRepl.Replication.Reading;

namespace VmRepl.Agent.Hosting;

/// <summary><c>vmrepl attach</c> and <c>vmrepl detach</c>.</summary>
internal sealed class AttachRun(CommandOutput output)
{
    public async Task<int> AttachAsync(AttachArguments arguments, CancellationToken cancellation)
    {
        await using var replica = await OpenAsync(arguments.Source, arguments.Group, cancellation);
        if (arguments.List)
        {
            var all = await replica.AttachmentsAsync(arguments.Group, cancellation);
            output.Report(new AttachmentsReport(arguments.Group, [.. all.Select(a => Describe(arguments.Group, a))]), j => j.AttachmentsReport, WriteList);
            return ExitCode.Done;
        }

        var attached = await replica.AttachAsync(arguments.Group, arguments.At.ToString()!, arguments.Writable, leased: false, cancellation);
        output.Report(Describe(arguments.Group, attached), j => j.AttachReport, r =>
        {
            output.Line($"Group {r.Group} as of {IsoTime.Format(r.Time)} (sequence {r.Sequence}{(r.Bookmark is null ? "" : $", bookmark {r.Bookmark}")}) is served {(r.Writable ? "with a scratch layer" : "read-only")} until it is detached (attachment {r.Id}):");
            var table = new TextTable("disk", "URI");
            foreach (var export in r.Exports) table.Add(export.Disk, export.Uri);
            table.WriteTo(output);
        });
        return ExitCode.Done;
    }

    public async Task<int> DetachAsync(DetachArguments arguments, CancellationToken cancellation)
    {
        await using var replica = await OpenAsync(arguments.Source, arguments.Group, cancellation);
        var request = new DetachGroup(arguments.Group, arguments.At?.ToString() ?? "", (uint)arguments.Id, arguments.Keep);
        var done = output.IsJson || arguments.Keep is null ? await replica.DetachAsync(request, null, cancellation)
            : await output.Progress.RunAsync(group =>
            {
                IProgress<long>? track = null;
                return replica.DetachAsync(request, (total, bytes) =>
                {
                    if (total > 0) (track ??= group.Add($"keeping {arguments.Keep}", total)).Report(bytes);
                }, cancellation);
            });
        output.Report(new DetachReport(arguments.Group, done.Count, done.Directory), j => j.DetachReport, r =>
        {
            output.Line($"Group {r.Group}: {r.Detached} attachment{(r.Detached == 1 ? "" : "s")} ended{(r.Directory is null ? "." : $"; its disks, as they were then, are in {r.Directory} at the replica.")}");
        });
        return ExitCode.Done;
    }

    /// <summary>Only a running replica serves.</summary>
    internal static async Task<ReplicaPastReader> OpenAsync(PointSource source, string group, CancellationToken cancellation)
    {
        if (source is PointSource.Store { Directory: var directory } && !StoreOwner.IsOwned(directory, out _))
            throw CommandFailure.Refused($"No replica runs with the store {directory}, and only a running one serves.", $"Start it: vmrepl replica --store {directory} --nbd unix:PATH.", group);
        return await PastReaders.OpenAsync(source, group, cancellation) as ReplicaPastReader
            ?? throw CommandFailure.Refused($"The replica that had the store {source} stopped just now.", "Try again.");
    }

    private void WriteList(AttachmentsReport report)
    {
        if (report.Attachments.Count == 0) output.Line($"Nothing of group {report.Group} is attached.");
        if (report.Attachments.Count == 0) return;
        var table = new TextTable(">number", ">sequence", "time", "bookmark", "access", "disk", "URI");
        foreach (var attached in report.Attachments)
        {
            foreach (var export in attached.Exports)
            {
                table.Add(attached.Id.ToString(CultureInfo.InvariantCulture), attached.Sequence.ToString(CultureInfo.InvariantCulture), IsoTime.Format(attached.Time), attached.Bookmark,
                    attached.Writable ? "scratch layer" : "read-only", export.Disk, export.Uri);
            }
        }

        table.WriteTo(output);
    }

    private static AttachReport Describe(string group, Attached attached)
    {
        var point = new Journal.Points.RecoveryPoint(attached.Point.Sequence, attached.Point.TimeUs, attached.Point.Bookmark, attached.Point.Consistency);
        return new AttachReport(group, point.Sequence, point.Time, point.Bookmark, attached.Id, attached.Writable, [.. attached.Disks.Select(d => new ExportReport(d.Disk, d.Uri))]);
    }
}
