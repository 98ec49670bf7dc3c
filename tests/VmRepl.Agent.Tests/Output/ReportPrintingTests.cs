using System.Text.Json;
using VmRepl.Agent.Output;
using VmRepl.Agent.Output.Reports;

namespace VmRepl.Agent.Tests.Output;

internal sealed class ReportPrintingTests
{
    private static readonly DateTimeOffset Time = new(2026, 5, 1, 9, 30, 0, TimeSpan.Zero);
    private static readonly RecoveryPointReport Point = new(42, Time, "r1");
    private static readonly StatusReport Status = new([new GroupStatus(
        "vm1", "following", true, 0, 1.5, "h:7", [new DiskStatus("sda", "/vm/<a>&'ü.qcow2", "qcow2", 1 << 30)], Point, new RecoveryRangeReport(Time, Time), "points of rounds", null)]);

    [Test]
    public void Print_StatusAsJson_HasTheDocumentedKeys()
    {
        var text = Written(true, o => o.Print(Status));
        Assert.That(text, Does.Contain("/vm/<a>&'ü.qcow2"), "no HTML escaping");
        var group = JsonDocument.Parse(text).RootElement.GetProperty("groups")[0];
        Assert.That(group.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[]
        {
            "name", "phase", "inSync", "lagBytes", "lagSeconds", "replica", "disks", "lastPoint", "recoveryRange", "promise", "lastError",
        }));
        Assert.That(group.GetProperty("disks")[0].EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "name", "file", "format", "size" }));
        Assert.That(group.GetProperty("lastPoint").GetRawText().Replace(" ", "", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal),
            Is.EqualTo("""{"sequence":42,"time":"2026-05-01T09:30:00.000000Z","bookmark":"r1"}"""));
        Assert.That(group.GetProperty("recoveryRange").GetProperty("from").GetString(), Is.EqualTo("2026-05-01T09:30:00.000000Z"));
        Assert.That(group.GetProperty("lastError").ValueKind, Is.EqualTo(JsonValueKind.Null));
    }

    [Test]
    public void Print_PointsAsJson_HasTheDocumentedKeys()
    {
        var json = JsonDocument.Parse(Written(true, o => o.Print(new PointsReport("vm1", [new PointReport(42, Time, null, "crash")])))).RootElement;
        Assert.That(json.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "group", "points" }));
        Assert.That(json.GetProperty("points")[0].EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "sequence", "time", "bookmark", "consistency" }));
    }

    [Test]
    public void Print_SyncAsJson_HasTheDocumentedKeys()
    {
        var json = JsonDocument.Parse(Written(true, o => o.Print(new SyncReport("vm1", Point, 10, 2, 8, 0.5)))).RootElement;
        Assert.That(json.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "group", "point", "bytesSent", "digestBytesSent", "changedBytes", "durationSeconds" }));
    }

    [Test]
    public void Print_RestoreAsJson_HasTheDocumentedKeys()
    {
        var report = new RestoreReport("vm1", 42, Time, "r1", "/out", [new RestoredDisk("sda", "/out/sda.raw", "raw", 512, "ab")], 1);
        var json = JsonDocument.Parse(Written(true, o => o.Print(report))).RootElement;
        Assert.That(json.EnumerateObject().Select(p => p.Name), Is.SupersetOf(new[] { "group", "sequence", "time", "disks" }));
        Assert.That(json.GetProperty("disks")[0].EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "name", "file", "format", "size", "sha256" }));
        Assert.That(json.GetProperty("sequence").GetUInt64(), Is.EqualTo(42));
    }

    [Test]
    public void Print_StatusAsText_TellsWhatMatters() => Assert.That(Written(false, o => o.Print(Status)), Is.EqualTo("""
        vm1: following, in sync with h:7
          behind by: 0 B, newest point 1.50 s old
          newest: point 42 of 2026-05-01T09:30:00.000000Z "r1"
          can be restored: 2026-05-01T09:30:00.000000Z to 2026-05-01T09:30:00.000000Z
          promise: points of rounds
          disk sda: /vm/<a>&'ü.qcow2, qcow2, 1 GiB

        """));

    [Test]
    public void Print_NothingProtected_SaysSo()
    {
        Assert.That(Written(false, o => o.Print(new StatusReport([]))), Does.Contain("Nothing is protected"));
        Assert.That(Written(true, o => o.Print(new StatusReport([]))).Replace(" ", "", StringComparison.Ordinal).Trim(), Does.Contain("\"groups\":[]"));
    }

    private static string Written(bool json, Action<CommandOutput> print)
    {
        using var result = new StringWriter();
        print(new CommandOutput(json, result, TextWriter.Null));
        return result.ToString();
    }
}
