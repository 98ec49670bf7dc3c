using System.Text.Json;
using VmRepl.Agent.Output;
using VmRepl.Images;
using VmRepl.Images.Opening;

namespace VmRepl.Agent.Tests.Commands;

internal sealed class FailureTests
{
    private static readonly TestCaseData[] Failures =
    [
        new(new CommandFailure("it failed", "do this"), 1, "it failed"),
        new(CommandFailure.Refused("it is unsafe"), 3, "it is unsafe"),
        new(new ReferenceRefusedException("a.qcow2", "/etc/passwd", "outside"), 3, "/etc/passwd"),
        new(ImageFormatException.Mismatch("a.qcow2", 8, "l1_size", "possible", "absurd"), 1, "l1_size at offset 8"),
        new(new IOException("exists", 17), 3, "exists"),
        new(new IOException("busy", 11), 3, "busy"),
        new(new IOException("full", 28), 1, "full"),
        new(new FileNotFoundException("no", "/x/y"), 1, "/x/y: no such file"),
        new(new UnauthorizedAccessException("denied"), 1, "denied"),
        new(new OperationCanceledException(), 1, "Stopped"),
        new(new InvalidOperationException("a defect"), 1, "a defect"),
    ];

    [TestCaseSource(nameof(Failures))]
    public void Command_Throws_EndsInOneMessageAndItsStatus(Exception failure, int status, string message)
    {
        var run = CommandRun.Failing(failure, "sync", "vm1");
        Assert.That(run.Status, Is.EqualTo(status));
        Assert.That(run.Error, Does.StartWith("vmrepl: ").And.Contain(message));
        Assert.That(run.Error, Does.Not.Contain("   at "), "no stack");
        Assert.That(run.Output, Is.Empty);
    }

    [Test]
    public void Command_ThrowsWithJson_NamesMessageHintAndGroup()
    {
        var run = CommandRun.Failing(new CommandFailure("<vm1> is \"gone\" & lost", "look"), "sync", "vm1", "--json");
        Assert.That(run.Error, Does.Contain("<vm1>").And.Contain("&"));
        var error = JsonDocument.Parse(run.Error).RootElement.GetProperty("error");
        Assert.That(error.GetProperty("message").GetString(), Is.EqualTo("<vm1> is \"gone\" & lost"));
        Assert.That(error.GetProperty("hint").GetString(), Is.EqualTo("look"));
        Assert.That(error.GetProperty("group").GetString(), Is.EqualTo("vm1"));
    }

    [Test]
    public void Command_ThrowsWithTrace_ShowsWhere()
    {
        var run = CommandRun.With(new RecordingCommands(_ => throw new InvalidOperationException("a defect")), new() { ["VMREPL_TRACE"] = "1" }, default, "status");
        Assert.That(run.Error, Does.Contain("   at ").And.Contain(nameof(RecordingCommands)));
    }

    [Test]
    public void Command_HostileTextInMessage_ReachesNoTerminal()
    {
        var run = CommandRun.Failing(ImageFormatException.Mismatch("a", -1, "name", "harmless", "\e[2J\u202E\a"), "status");
        Assert.That(run.Error, Does.Contain(@"is \x1b[2J\u202e\x07"));
    }
}
