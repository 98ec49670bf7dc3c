using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using VmRepl.Agent.Output;
using VmRepl.Agent.Output.Reports;

namespace VmRepl.Agent.Tests.Output;

internal sealed class ReportJsonTests
{
    private static readonly DateTimeOffset Time = new(2026, 5, 1, 9, 30, 0, TimeSpan.Zero);
    private static readonly RecoveryPointReport Point = new(42, Time, "r1");
    private static readonly StatusReport Status = new([new GroupStatus(
        "vm1", "following", true, 0, 1.5, "h:7", [new DiskStatus("sda", "/vm/<a>&'ü.qcow2", "qcow2", 1 << 30)], Point, new RecoveryRangeReport(Time, Time), "points of rounds", null, new ScrubStatus(Time, 60, 99.5, 199, 200, 0), null)]);

    [Test]
    public void Report_StatusAsJson_HasTheDocumentedKeys()
    {
        var text = Json(Status, j => j.StatusReport);
        Assert.That(text, Does.Contain("/vm/<a>&'ü.qcow2"), "no HTML escaping");
        var group = JsonDocument.Parse(text).RootElement.GetProperty("groups")[0];
        Assert.That(group.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[]
        {
            "name", "phase", "inSync", "lagBytes", "lagSeconds", "replica", "disks", "lastPoint", "recoveryRange", "promise", "waiting", "scrub", "lastError", "capture", "following",
        }));
        Assert.That(group.GetProperty("disks")[0].EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "name", "file", "format", "size", "seed" }));
        Assert.That(group.GetProperty("lastPoint").GetRawText().Replace(" ", "", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal),
            Is.EqualTo("""{"sequence":42,"time":"2026-05-01T09:30:00.000000Z","bookmark":"r1"}"""));
        Assert.That(group.GetProperty("recoveryRange").GetProperty("from").GetString(), Is.EqualTo("2026-05-01T09:30:00.000000Z"));
        Assert.That(group.GetProperty("scrub").EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "finished", "ageSeconds", "coveragePercent", "regionsVerified", "regionsTotal", "damageCount" }));
        Assert.That(group.GetProperty("lastError").ValueKind, Is.EqualTo(JsonValueKind.Null));
    }

    [Test]
    public void Report_PointsAsJson_HasTheDocumentedKeys()
    {
        var json = JsonDocument.Parse(Json(new PointsReport("vm1", [new PointReport(42, Time, null, "crash", 4096, null)], [new PointRunReport(42, Time, 50, Time)]), j => j.PointsReport)).RootElement;
        Assert.That(json.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "group", "points", "runs" }));
        Assert.That(json.GetProperty("runs")[0].EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "firstSequence", "firstTime", "lastSequence", "lastTime" }));
        Assert.That(json.GetProperty("points")[0].EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "sequence", "time", "bookmark", "consistency", "rewindBytes", "rewindSeconds" }));
    }

    [Test]
    public void Report_RewindAsJson_HasTheDocumentedKeys()
    {
        var json = JsonDocument.Parse(Json(new RewindReport("vm1", Point, Point, 4096, 0.5), j => j.RewindReport)).RootElement;
        Assert.That(json.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "group", "point", "to", "rewoundBytes", "durationSeconds" }));
    }

    [Test]
    public void Report_AttachAsJson_HasTheDocumentedKeys()
    {
        var json = JsonDocument.Parse(Json(new AttachReport("vm1", 42, Time, null, 7, true, [new ExportReport("sda", "nbd://h:1/vm1/sda@42~7")]), j => j.AttachReport)).RootElement;
        Assert.That(json.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "group", "sequence", "time", "bookmark", "id", "writable", "exports" }));
        Assert.That(json.GetProperty("exports")[0].EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "disk", "uri" }));
    }

    [Test]
    public void Report_TestFailoverAsJson_HasTheDocumentedKeys()
    {
        var json = JsonDocument.Parse(Json(new TestFailoverReport("vm1", 42, Time, null, true, "guest agent", null, Time, 1, 2, 3, "tcg", "7.2.22", null, null, []), j => j.TestFailoverReport)).RootElement;
        Assert.That(json.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[]
        {
            "group", "sequence", "time", "bookmark", "passed", "check", "reason", "started", "upMs", "checkedMs", "endedMs", "accelerator", "qemuVersion", "screenshot", "serial", "notes",
        }));
    }

    [Test]
    public void Report_SyncAsJson_HasTheDocumentedKeys()
    {
        var json = JsonDocument.Parse(Json(new SyncReport("vm1", Point, 10, 2, 8, 0.5), j => j.SyncReport)).RootElement;
        Assert.That(json.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "group", "point", "bytesSent", "digestBytesSent", "changedBytes", "durationSeconds" }));
    }

    [Test]
    public void Report_RestoreAsJson_HasTheDocumentedKeys()
    {
        var report = new RestoreReport("vm1", 42, Time, "r1", "/out", [new RestoredDisk("sda", "/out/sda.raw", "raw", 512, "ab")], 1, 0.5);
        var json = JsonDocument.Parse(Json(report, j => j.RestoreReport)).RootElement;
        Assert.That(json.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "group", "sequence", "time", "bookmark", "directory", "disks", "durationSeconds", "writeSeconds" }));
        Assert.That(json.GetProperty("durationSeconds").GetDouble(), Is.EqualTo(1));
        Assert.That(json.GetProperty("writeSeconds").GetDouble(), Is.EqualTo(0.5));
        Assert.That(json.GetProperty("disks")[0].EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "name", "file", "format", "size", "sha256" }));
        Assert.That(json.GetProperty("sequence").GetUInt64(), Is.EqualTo(42));
    }

    [Test]
    public void Report_NothingProtected_IsAnEmptyArray() => Assert.That(
        JsonDocument.Parse(Json(new StatusReport([]), j => j.StatusReport)).RootElement.GetProperty("groups").GetArrayLength(), Is.Zero);

    [Test]
    public void Report_NotJson_IsLeftToThePersonsText()
    {
        using var result = new StringWriter();
        var output = new CommandOutput(json: false, result, TextWriter.Null);
        output.Report(Status, _ => throw new InvalidOperationException("loads the serializer"), r => output.Line($"{r.Groups.Count} group"));
        Assert.That(result.ToString(), Is.EqualTo("1 group\n"));
    }

    private static string Json<T>(T report, Func<ReportJson, JsonTypeInfo<T>> type)
    {
        using var result = new StringWriter();
        new CommandOutput(json: true, result, TextWriter.Null).Report(report, type, _ => Assert.Fail("text was asked for"));
        return result.ToString();
    }
}
