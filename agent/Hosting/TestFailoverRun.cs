using System.Globalization;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Output;
using VmRepl.Agent.Output.Reports;
using VmRepl.Hypervisors.Boot;
using VmRepl.Hypervisors.Definitions;
using VmRepl.Protocol.Messages;
using VmRepl.Replication.Reading;

namespace VmRepl.Agent.Hosting;

/// <summary>
/// <c>vmrepl test-failover</c>: the replica serves the disks as of the point with scratch layers, QEMU boots the VM from its definition here, and the replica keeps how it went. The layers end with this command's
/// connection, however it ends; QEMU and its directory with the test.
/// </summary>
internal sealed class TestFailoverRun(TestFailoverArguments arguments, CommandOutput output)
{
    public async Task<int> RunAsync(CancellationToken cancellation)
    {
        await using var replica = await AttachRun.OpenAsync(arguments.Source, arguments.Group, cancellation);
        if (arguments.List) return await ListAsync(replica, cancellation);
        if (arguments.Screenshot is { } picture && File.Exists(picture)) throw CommandFailure.Refused($"{picture} exists, and nothing is ever overwritten.", "Remove it first, or choose another name for --screenshot.");
        var attached = await replica.AttachAsync(arguments.Group, arguments.At.ToString()!, writable: true, leased: true, cancellation);
        var definition = VmDefinitions.Read(await DefinitionAsync(replica, attached, cancellation), arguments.Group, HostCapacity.OfThisHost());
        var options = new BootOptions
        {
            Group = arguments.Group,
            Check = arguments.Check,
            Limit = arguments.Limit,
            PowerdownLimit = arguments.Powerdown,
            ScreenshotFile = arguments.Screenshot,
            AllowedDirectories = arguments.Allow,
        };
        if (!output.IsJson) output.Note($"Booting {arguments.Group} as of {IsoTime.Format(Time(attached))}; {arguments.Check.Text}.");
        var result = await new BootTest(options, TimeProvider.System).RunAsync(definition, [.. attached.Disks.Select(d => Hypervisors.Qemu.ExportedDisk.FromUri(d.Disk, d.Uri))], cancellation);
        await replica.NoteTestAsync(arguments.Group, Describe(attached, result), CancellationToken.None);
        await replica.DetachAsync(new DetachGroup(arguments.Group, "", attached.Id, null), null, CancellationToken.None);
        var report = new TestFailoverReport(arguments.Group, attached.Point.Sequence, Time(attached), attached.Point.Bookmark, result.HasPassed, result.Check, result.Reason, result.StartedUtc, result.UpMs, result.CheckedMs,
            result.EndedMs, result.Accelerator, result.QemuVersion, result.ScreenshotFile, result.SerialTail, result.Notes);
        output.Report(report, j => j.TestFailoverReport, Write);
        return result.HasPassed ? ExitCode.Done : ExitCode.Failed;
    }

    private async Task<int> ListAsync(ReplicaPastReader replica, CancellationToken cancellation)
    {
        var tests = await replica.TestsAsync(arguments.Group, cancellation);
        var report = new TestsReport(arguments.Group, [.. tests.Select(t => new TestReport(t.Sequence, DateTimeOffset.UnixEpoch.AddMicroseconds(t.StartedUs), t.HasPassed, t.Check, t.Reason.Length > 0 ? t.Reason : null,
            t.UpMs, t.CheckedMs, t.EndedMs, t.By, t.Host))]);
        output.Report(report, j => j.TestsReport, r =>
        {
            if (r.Tests.Count == 0) output.Line($"Group {r.Group} was never test-failed-over.");
            if (r.Tests.Count == 0) return;
            var table = new TextTable("started", ">sequence", "result", ">took", "check", "by", "host");
            foreach (var test in r.Tests)
            {
                table.Add(IsoTime.Format(test.Started), test.Sequence.ToString(CultureInfo.InvariantCulture), test.Passed ? "passed" : "FAILED",
                    Quantities.Duration(TimeSpan.FromMilliseconds(test.CheckedMs ?? test.EndedMs)), test.Check, test.By, test.Host);
            }

            table.WriteTo(output);
        });
        return ExitCode.Done;
    }

    /// <summary>As it was at the point; null where the group has none.</summary>
    private async Task<ReadOnlyMemory<byte>?> DefinitionAsync(ReplicaPastReader replica, Attached attached, CancellationToken cancellation)
    {
        await using var view = await replica.OpenAsync(arguments.Group, attached.Point.Sequence.ToString(CultureInfo.InvariantCulture), cancellation);
        return view.Metadata.TryGetValue(IPastView.DefinitionKey, out var definition) ? definition : null;
    }

    private void Write(TestFailoverReport report)
    {
        output.Line(report.Passed
            ? $"Group {report.Group} as of {IsoTime.Format(report.Time)} (sequence {report.Sequence}{(report.Bookmark is null ? "" : $", bookmark {report.Bookmark}")}) boots: {report.Check}, {Quantities.Duration(TimeSpan.FromMilliseconds(report.CheckedMs ?? 0))} after the start (QEMU {report.QemuVersion}, {report.Accelerator}). Nothing of it is left."
            : $"Group {report.Group} as of {IsoTime.Format(report.Time)} (sequence {report.Sequence}) did NOT come up: {report.Reason} (QEMU {report.QemuVersion}, {report.Accelerator}, {Quantities.Duration(TimeSpan.FromMilliseconds(report.EndedMs))}.)");
        if (report.Screenshot is not null) output.Line($"Screen: {report.Screenshot}");
        foreach (var note in report.Notes) output.Line($"- {note}");
        if (report.Serial is { Length: > 0 }) output.Line($"The end of its serial port:\n{report.Serial}");
    }

    private static DateTimeOffset Time(Attached attached) => DateTimeOffset.UnixEpoch.AddMicroseconds(attached.Point.TimeUs);

    private static FailoverTest Describe(Attached attached, BootResult result) => new(attached.Point.Sequence, (result.StartedUtc - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond, result.HasPassed,
        Cut(result.Check), Cut(result.Reason ?? ""), result.UpMs, result.CheckedMs, result.EndedMs, $"QEMU {Cut(result.QemuVersion)}, {result.Accelerator}", Cut(Environment.MachineName));

    /// <summary>A text of the protocol has at most 4096 bytes.</summary>
    private static string Cut(string text) => text.Length <= 1000 ? text : text[..1000];
}
