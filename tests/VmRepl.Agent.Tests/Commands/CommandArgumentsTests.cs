using VmRepl.Agent.Commands.Arguments;
using VmRepl.Images;

namespace VmRepl.Agent.Tests.Commands;

internal sealed class CommandArgumentsTests
{
    private static readonly CertificateFiles Certificates = new("/c.pem", "/k.pem", "/a.pem");

    [Test]
    public void Protect_AllOptions_AreHandedOn()
    {
        var run = CommandRun.Of(
            "protect", "vm1", "--disk", "sda=/vm/a.qcow2", "--disk", "sdb=/vm/b,format=raw", "--to", "[::1]:7000",
            "--definition", "/vm/d.xml", "--allow", "/x", "--allow", "/y", "--no-wait", "--socket", "/s");
        Assert.That(run.Status, Is.Zero, run.Error);
        var asked = (ProtectArguments)run.Asked!;
        Assert.That(asked.Disks, Is.EqualTo(new[] { new DiskArgument("sda", "/vm/a.qcow2", null), new DiskArgument("sdb", "/vm/b", ImageFormat.Raw) }));
        Assert.That(asked.Allow, Is.EqualTo(new[] { "/x", "/y" }));
        Assert.That((asked.Group, asked.To, asked.DefinitionFile, asked.NoWait, asked.Socket), Is.EqualTo(("vm1", new PeerAddress("::1", 7000), "/vm/d.xml", true, "/s")));
    }

    [Test]
    public void Protect_LeastOptions_HasDefaults()
    {
        var asked = (ProtectArguments)CommandRun.Of("protect", "vm1", "--disk", "sda=a.qcow2", "--to", "h:1").Asked!;
        Assert.That((asked.DefinitionFile, asked.NoWait, asked.Socket, asked.Allow.Count), Is.EqualTo(((string?)null, false, CommandRun.Socket, 0)));
    }

    [Test]
    public void Protect_Seeds_StayAsTheyAreGiven()
    {
        var asked = (ProtectArguments)CommandRun.Of("protect", "vm1", "--disk", "sda=a.qcow2", "--disk", "sdb=b.qcow2", "--seed", "sdb=old/b=1,2.vhdx", "--seed", "sda=/x,format=raw", "--to", "h:1").Asked!;
        Assert.That(asked.Seeds, Is.EqualTo(new[] { new DiskArgument("sdb", "old/b=1,2.vhdx", null), new DiskArgument("sda", "/x", ImageFormat.Raw) }));
    }

    [TestCase("sdz=x")]
    [TestCase("sda=")]
    [TestCase("sda=x,format=zip")]
    public void Protect_SeedThatIsNone_IsAUsageError(string seed) => Assert.That(CommandRun.Of("protect", "vm1", "--disk", "sda=a.qcow2", "--seed", seed, "--to", "h:1").Status, Is.EqualTo(2));

    [Test]
    public void Restore_AllOptions_AreHandedOn() => Assert.That(
        CommandRun.Of(
            "restore-vm", "vm1", "--to", "/out", "--at", "r1", "--format", "vhdx", "--from", "h:7", "--plan",
            "--certificate", "/c.pem", "--key", "/k.pem", "--authority", "/a.pem").Asked,
        Is.EqualTo(new RestoreArguments("vm1", "/out", new PointChoice.AtBookmark("r1"), ImageFormat.Vhdx, new PointSource.Replica(new PeerAddress("h", 7), Certificates), true)));

    [Test]
    public void Restore_LeastOptions_AsksTheAgentForTheNewest() => Assert.That(
        CommandRun.Of("restore-vm", "vm1", "--to", "/out").Asked,
        Is.EqualTo(new RestoreArguments("vm1", "/out", new PointChoice.Latest(), null, new PointSource.Agent(CommandRun.Socket), false)));

    [Test]
    public void Restore_Clone_IsHandedOnAsItIsCalled() => Assert.That(
        CommandRun.Of("restore-vm", "vm1", "--to", "/out", "--clone", "a b/../ü.vhdx").Asked,
        Is.EqualTo(new RestoreArguments("vm1", "/out", new PointChoice.Latest(), null, new PointSource.Agent(CommandRun.Socket), false) { CloneName = "a b/../ü.vhdx" }));

    [Test]
    public void Clones_WithAndWithoutGroup_IsHandedOn() => Assert.That(
        (CommandRun.Of("clones").Asked, CommandRun.Of("clones", "vm1").Asked), Is.EqualTo((new ClonesArguments(null, CommandRun.Socket), new ClonesArguments("vm1", CommandRun.Socket))));

    [Test]
    public void Agent_Clones_AreFullPaths() =>
        Assert.That(((AgentArguments)CommandRun.Of("agent", "--state", "/st", "--clones", "/a", "--clones", "b").Asked!).CloneDirectories, Is.EqualTo(new[] { "/a", Path.GetFullPath("b") }));

    [Test]
    public void Clone_NameOfAnyPrintableText_IsHandedOn() =>
        Assert.That(CommandRun.Of("clone", "vm1", "--name", "before ../upgrade, é").Asked, Is.EqualTo(new CloneArguments("vm1", "before ../upgrade, é", CommandRun.Socket)));

    [TestCase("")]
    [TestCase(" n")]
    [TestCase("a\nb")]
    [TestCase("a\u202eb")]
    [TestCase("12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567é")]
    public void Clone_NameThatIsNone_IsRefused(string name) => Assert.That(CommandRun.Of("clone", "vm1", "--name", name).Asked, Is.Null);

    [Test]
    public void Points_Store_NeedsNoAgent() =>
        Assert.That(CommandRun.Of("points", "vm1", "--store", "/srv/s").Asked, Is.EqualTo(new PointsArguments("vm1", new PointSource.Store("/srv/s"))));

    [Test]
    public void Points_From_AsksTheReplica() =>
        Assert.That(CommandRun.Of("points", "vm1", "--from", "h:7").Asked, Is.EqualTo(new PointsArguments("vm1", new PointSource.Replica(new PeerAddress("h", 7), null))));

    [Test]
    public void Rewind_Store_IsHandedOn() => Assert.That(
        CommandRun.Of("rewind", "vm1", "--to", "r1", "--store", "/srv/s").Asked, Is.EqualTo(new RewindArguments("vm1", new PointChoice.AtBookmark("r1"), new PointSource.Store("/srv/s"))));

    [Test]
    public void Rewind_LeastOptions_GoesThroughTheAgent() => Assert.That(
        CommandRun.Of("rewind", "vm1", "--to", "42").Asked, Is.EqualTo(new RewindArguments("vm1", new PointChoice.AtSequence(42), new PointSource.Agent(CommandRun.Socket))));

    [TestCase]
    [TestCase("--to", "a b")]
    public void Rewind_WithoutAPoint_IsAUsageError(params string[] options) => Assert.That(CommandRun.Of(["rewind", "vm1", .. options]).Status, Is.EqualTo(2));

    [Test]
    public void Attach_EveryOption_IsHandedOn() => Assert.That(
        CommandRun.Of("attach", "vm1", "--at", "r1", "--writable", "--store", "/srv/s").Asked, Is.EqualTo(new AttachArguments("vm1", new PointChoice.AtBookmark("r1"), true, false, new PointSource.Store("/srv/s"))));

    [Test]
    public void Attach_LeastOptions_IsTheNewestPointThroughTheAgent() => Assert.That(
        CommandRun.Of("attach", "vm1").Asked, Is.EqualTo(new AttachArguments("vm1", new PointChoice.Latest(), false, false, new PointSource.Agent(CommandRun.Socket))));

    [TestCase("--list", "--writable")]
    [TestCase("--list", "--at", "r1")]
    public void Attach_ListWithMore_IsAUsageError(params string[] options) => Assert.That(CommandRun.Of(["attach", "vm1", .. options]).Status, Is.EqualTo(2));

    [Test]
    public void Detach_EveryOption_IsHandedOn() => Assert.That(
        CommandRun.Of("detach", "vm1", "--at", "42", "--id", "7", "--keep", "repaired").Asked, Is.EqualTo(new DetachArguments("vm1", new PointChoice.AtSequence(42), 7, "repaired", new PointSource.Agent(CommandRun.Socket))));

    [TestCase("--id", "0")]
    [TestCase("--id", "x")]
    [TestCase("--keep", "a/b")]
    public void Detach_BadValues_IsAUsageError(params string[] options) => Assert.That(CommandRun.Of(["detach", "vm1", .. options]).Status, Is.EqualTo(2));

    [TestCase("unix:/run/n.sock", "unix:/run/n.sock")]
    [TestCase("127.0.0.1:0", "127.0.0.1:0")]
    [TestCase("[::1]:10809", "[::1]:10809")]
    public void Replica_Nbd_IsAnAddress(string given, string address) =>
        Assert.That(((ReplicaArguments)CommandRun.Of("replica", "--store", "/srv/s", "--nbd", given).Asked!).Nbd!.ToString(), Is.EqualTo(address));

    [TestCase("unix:")]
    [TestCase("host")]
    [TestCase("host:99999")]
    public void Replica_NbdThatIsNoAddress_IsAUsageError(string given) => Assert.That(CommandRun.Of("replica", "--store", "/srv/s", "--nbd", given).Status, Is.EqualTo(2));

    [TestCase("serial:login:", "serial text \"login:\"")]
    [TestCase("pattern:a+", "serial pattern /a+/")]
    [TestCase("agent", "guest agent")]
    [TestCase("script:/opt/check", "script /opt/check")]
    [TestCase("runs:2min", "runs for 120 s")]
    public void TestFailover_Check_IsRead(string given, string check) =>
        Assert.That(((TestFailoverArguments)CommandRun.Of("test-failover", "vm1", "--check", given).Asked!).Check.Text, Is.EqualTo(check));

    [TestCase("serial:")]
    [TestCase("agent:x")]
    [TestCase("runs:soon")]
    [TestCase("hope")]
    public void TestFailover_CheckThatIsNone_IsAUsageError(string given) => Assert.That(CommandRun.Of("test-failover", "vm1", "--check", given).Status, Is.EqualTo(2));

    [Test]
    public void Scrub_WithoutASource_AsksTheAgent() => Assert.That(CommandRun.Of("scrub", "vm1").Asked, Is.EqualTo(new ScrubArguments("vm1", new PointSource.Agent(CommandRun.Socket), 0)));

    [Test]
    public void Scrub_Store_NeedsNoAgent() =>
        Assert.That(CommandRun.Of("scrub", "vm1", "--store", "/srv/s", "--rate", "8MiB").Asked, Is.EqualTo(new ScrubArguments("vm1", new PointSource.Store("/srv/s"), 8 << 20)));

    [Test]
    public void Scrub_StoreWithoutAGroup_IsOfEveryGroup() =>
        Assert.That(CommandRun.Of("scrub", "--store", "/srv/s").Asked, Is.EqualTo(new ScrubArguments(null, new PointSource.Store("/srv/s"), 0)));

    [TestCase]
    [TestCase("--from", "h:7")]
    public void Scrub_NeitherGroupNorStore_IsAUsageError(params string[] options)
    {
        var run = CommandRun.Of(["scrub", .. options]);
        Assert.That((run.Status, run.Asked), Is.EqualTo((2, (object?)null)));
        Assert.That(run.Error, Does.Contain("--store"));
    }

    [Test]
    public void Replica_AllOptions_AreHandedOn() => Assert.That(
        CommandRun.Of("replica", "--store", "/s", "--listen", "0.0.0.0:0", "--certificate", "/c.pem", "--key", "/k.pem", "--authority", "/a.pem", "--journal-capacity", "20GiB", "--journal-age", "2w", "--journal-reserve", "512M").Asked,
        Is.EqualTo(new ReplicaArguments("/s", new PeerAddress("0.0.0.0", 0), Certificates, new JournalArguments(20L << 30, TimeSpan.FromDays(14), 512 << 20))));

    [Test]
    public void Replica_NoListen_StaysOnThisMachine() =>
        Assert.That(((ReplicaArguments)CommandRun.Of("replica", "--store", "/s").Asked!).Listen.Host, Is.EqualTo("127.0.0.1"));

    [Test]
    public void Agent_AllOptions_AreHandedOn() => Assert.That(
        CommandRun.Of("agent", "--state", "/st", "--socket", "/so", "--config", "/c.json").Asked, Is.EqualTo(new AgentArguments("/st", "/so", "/c.json", null)));

    [Test]
    public void Sync_Group_IsHandedOn() => Assert.That(CommandRun.Of("sync", "vm1").Asked, Is.EqualTo(("sync", new GroupArguments("vm1", CommandRun.Socket))));

    [Test]
    public void Unprotect_Group_IsHandedOn() =>
        Assert.That(CommandRun.Of("unprotect", "vm1", "--json").Asked, Is.EqualTo(("unprotect", new GroupArguments("vm1", CommandRun.Socket))));

    [Test]
    public void Bookmark_Name_IsHandedOn() => Assert.That(CommandRun.Of("bookmark", "vm1", "r1").Asked, Is.EqualTo(new BookmarkArguments("vm1", "r1", CommandRun.Socket)));

    [TestCase(null)]
    [TestCase("vm1")]
    public void Status_GroupOrNone_IsHandedOn(string? group) =>
        Assert.That(CommandRun.Of(group is null ? ["status"] : ["status", group]).Asked, Is.EqualTo(new StatusArguments(group, CommandRun.Socket)));

    [Test]
    public void Demo_Options_AreHandedOn() => Assert.That(CommandRun.Of("demo", "--keep", "/d", "--damage").Asked, Is.EqualTo(new DemoArguments("/d", true)));

    [Test]
    public void Command_ExitStatus_IsTheCommandsOwn() =>
        Assert.That(CommandRun.With(new RecordingCommands(_ => 1), [], default, "status").Status, Is.EqualTo(1));

    [Test]
    public void File_BeginningWithAt_IsNoListOfArguments() =>
        Assert.That(((PointsArguments)CommandRun.Of("points", "vm1", "--store", "@dir").Asked!).Source, Is.EqualTo(new PointSource.Store(Path.GetFullPath("@dir"))));
}
