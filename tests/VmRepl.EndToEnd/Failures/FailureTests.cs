using System.Text.Json;
using VmRepl.EndToEnd.Disks;
using VmRepl.EndToEnd.Processes;

namespace VmRepl.EndToEnd.Failures;

/// <summary>What goes wrong ends in one sentence that names the group, the cause and the next step; the points there were still restore; and when the cause is mended, the next round works.</summary>
internal sealed class FailureTests
{
    private const string Group = "web";

    private ReplicationPair pair = null!;
    private PlainDisk disk = null!;
    private string firstMoment = null!;

    [SetUp]
    public void ProtectOneDisk()
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        pair = NewPair();
        pair.Start();
        disk = PlainDisk.Create(pair.Root, "sda", "qcow2", sizeMiB: 48, dataMiB: 12, seed: 3);
        pair.Protect(Group, disk.Argument).MustSucceed();
        firstMoment = disk.Freeze("first");
    }

    [TearDown]
    public void Remove() => pair?.Dispose();

    [Test]
    public void Replica_KilledInARoundAndNotComingBack_IsNamedAndTheNextRoundFinishes()
    {
        disk.Overwrite((0, 8 << 20), (16 << 20, 8 << 20), (32 << 20, 8 << 20));
        using (var sync = pair.Begin("sync", Group))
        {
            using var api = new AgentSocket(pair.Socket);
            api.WaitForPhase(Group, "syncing", TimeSpan.FromSeconds(10));
            pair.Replica!.Kill();
            sync.Wait(TimeSpan.FromSeconds(30)).MustFail(1, Group, pair.Address);
        }

        VerifyFirstPoint("--store", pair.Store);
        var status = pair.Status(Group);
        Assert.Multiple(() =>
        {
            Assert.That(status.GetProperty("phase").GetString(), Is.EqualTo("failed"));
            Assert.That(status.GetProperty("inSync").GetBoolean(), Is.False);
            Assert.That(status.GetProperty("lastError").GetString(), Does.Contain(pair.Address));
        });
        pair.StartReplica();
        VerifyThatNextRoundWorks();
    }

    [Test]
    public void Replica_ThatIsNotThere_IsNamed()
    {
        pair.Replica!.Kill();
        pair.Run("sync", Group).MustFail(1, Group, pair.Address);
        pair.Run("bookmark", Group, "x").MustFail(1, Group, pair.Address);
        pair.Run("points", Group).MustFail(1, pair.Address);
        pair.Run("restore-vm", Group, "--to", pair.Path("out"), "--from", pair.Address).MustFail(1, pair.Address);
        VerifyFirstPoint("--store", pair.Store);
    }

    [Test]
    public void Source_WithClusterBeyondItsEnd_IsNamed()
    {
        var whole = pair.Path("whole.qcow2");
        File.Copy(disk.File, whole);
        using (var image = File.OpenWrite(disk.File)) image.SetLength(image.Length - (3 << 20));
        pair.Run("sync", Group).MustFail(1, Group, "sda", disk.File);
        VerifyFirstPoint();
        File.Copy(whole, disk.File, overwrite: true);
        VerifyThatNextRoundWorks();
    }

    [Test]
    public void Source_ThatIsGone_IsNamed()
    {
        File.Move(disk.File, disk.File + ".away");
        pair.Run("sync", Group).MustFail(1, Group, "sda", disk.File);
        VerifyFirstPoint();
        File.Move(disk.File + ".away", disk.File);
        VerifyThatNextRoundWorks();
    }

    [Test]
    public void Source_OpenForWritingElsewhere_IsRefused()
    {
        using (var writer = new DiskUser(disk.File, disk.Format, readOnly: false))
        {
            pair.Run("sync", Group).MustFail(3, Group, "sda", disk.File, "in use");
            pair.Run("protect", "other", "--disk", disk.Argument, "--to", pair.Address).MustFail(3, "other", "sda", disk.File, "in use");
        }

        Assert.That(pair.Points(Group), Has.Count.EqualTo(1));
        VerifyFirstPoint();
        VerifyThatNextRoundWorks();
        pair.Run("status", "other").MustFail(1, "other");
    }

    [Test]
    public void Source_OpenForReadingElsewhere_IsFine()
    {
        using var reader = new DiskUser(disk.File, disk.Format, readOnly: true);
        pair.Sync(Group);
    }

    [Test]
    public void Source_ThatChangesDuringARound_MakesNoPoint()
    {
        disk.Overwrite((0, 8 << 20), (16 << 20, 8 << 20), (32 << 20, 8 << 20));
        using (var sync = pair.Begin("sync", Group))
        {
            using var api = new AgentSocket(pair.Socket);
            api.WaitForPhase(Group, "syncing", TimeSpan.FromSeconds(10));
            // A writer that honours no lock, all through the round, at a place that is not the disk's contents: its time of change is all that tells.
            using var file = new FileStream(disk.File, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            var last = file.Length - 1;
            file.Position = last;
            var value = file.ReadByte();
            for (var i = 0; i < 20_000 && api.Phase(Group) == "syncing"; i++)
            {
                file.Position = last;
                file.WriteByte((byte)value);
                file.Flush();
            }

            sync.Wait(TimeSpan.FromSeconds(30)).MustFail(1, Group, "sda", disk.File, "changed during the round");
        }

        Assert.That(pair.Points(Group), Has.Count.EqualTo(1));
        VerifyFirstPoint();
        VerifyFirstPoint("--store", pair.Store);
        VerifyThatNextRoundWorks();
    }

    [Test]
    public void Source_ThatChangedSize_IsNamed()
    {
        ExternalTool.Run("qemu-img", "resize", "-q", "-f", "qcow2", disk.File, "64M");
        pair.Run("sync", Group).MustFail(1, Group, "sda", $"{64 << 20}", $"{48 << 20}");
        VerifyFirstPoint();
        ExternalTool.Run("qemu-img", "resize", "-q", "-f", "qcow2", "--shrink", disk.File, "48M");
        VerifyThatNextRoundWorks();
    }

    [Test]
    public void GroupName_InUseOnThisAgent_IsRefused()
    {
        var other = PlainDisk.Create(pair.Root, "sdb", "raw", sizeMiB: 4, dataMiB: 1, seed: 4);
        pair.Protect(Group, other.Argument).MustFail(3, Group, "in use");
        Assert.That(pair.Status(Group).GetProperty("disks")[0].GetProperty("file").GetString(), Is.EqualTo(disk.File));
        VerifyThatNextRoundWorks();
    }

    [Test]
    public void GroupName_InUseByAnotherAgent_IsRefusedAndLeavesNothingBehind()
    {
        using var other = new ReplicationPair { AgentArguments = ["--config", ConfigFile(pair.Root)] };
        other.StartAgent();
        other.Run("protect", Group, "--disk", disk.Argument, "--to", pair.Address).MustFail(3, Group, "in use");
        Assert.That(other.Run("status").MustSucceed().Json.GetProperty("groups").GetArrayLength(), Is.Zero);
        VerifyFirstPoint();
        VerifyThatNextRoundWorks();
    }

    [Test]
    public void Bookmark_InUse_IsRefused()
    {
        pair.Bookmark(Group, "before");
        pair.Sync(Group);
        pair.Run("bookmark", Group, "before").MustFail(3, Group, "before");
        pair.Bookmark(Group, "after");
        Assert.That(pair.Points(Group).Select(p => p.GetProperty("bookmark").GetString()), Is.EqualTo(new[] { "before", "after" }));
        VerifyFirstPoint("--at", "before");
    }

    [Test]
    public void Bookmark_WithNameThatIsNone_IsUsage()
    {
        foreach (var name in new[] { "latest", "123", "-x", "a/b" }) Assert.That(pair.Run("bookmark", Group, name).ExitCode, Is.EqualTo(2), name);
        Assert.That(pair.Points(Group)[0].TryGetProperty("bookmark", out var bookmark) && bookmark.ValueKind != JsonValueKind.Null, Is.False);
    }

    [Test]
    public void Agent_ThatDoesNotRun_IsNamed()
    {
        pair.Agent!.Kill();
        foreach (string[] command in new string[][] { ["status"], ["sync", Group], ["bookmark", Group, "x"], ["points", Group], ["unprotect", Group], ["restore-vm", Group, "--to", pair.Path("out")] })
            pair.Run(command).MustFail(1, pair.Socket);
        VerifyFirstPoint("--from", pair.Address);
    }

    [Test]
    public void BackingFile_OutsideNamedDirectories_IsRefusedUntilAllowed()
    {
        var elsewhere = Directory.CreateDirectory(pair.Path("elsewhere")).FullName;
        var child = Directory.CreateDirectory(pair.Path("vm")).FullName;
        var backing = PlainDisk.Create(elsewhere, "base", "qcow2", sizeMiB: 8, dataMiB: 2, seed: 8);
        var overlay = Path.Combine(child, "top.qcow2");
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "qcow2", "-b", backing.File, "-F", "qcow2", overlay);
        pair.Run("protect", "chain", "--disk", $"vda={overlay}", "--to", pair.Address).MustFail(3, "chain", "vda", backing.File);
        pair.Run("protect", "chain", "--disk", $"vda={overlay}", "--to", pair.Address, "--allow", elsewhere).MustSucceed();
        pair.Run("restore-vm", "chain", "--to", pair.Path("out"), "--format", "raw").MustSucceed();
        Referee.Equal(overlay, "qcow2", pair.Path("out/vda.raw"), "raw");
    }

    [Test]
    public void Definition_ThatIsGone_IsNamed()
    {
        var definition = pair.Path("vm.xml");
        File.WriteAllText(definition, "<domain/>");
        var other = PlainDisk.Create(pair.Root, "sdb", "raw", sizeMiB: 4, dataMiB: 1, seed: 4);
        pair.Run("protect", "defined", "--disk", other.Argument, "--to", pair.Address, "--definition", definition).MustSucceed();
        File.Delete(definition);
        pair.Run("sync", "defined").MustFail(1, "defined", definition);
        Assert.That(pair.Points("defined"), Has.Count.EqualTo(1));
    }

    internal static string ConfigFile(string directory)
    {
        var path = Path.Combine(directory, "agent.json");
        File.WriteAllText(path, """{"Link":{"RetryFor":"00:00:03","ConnectTimeout":"00:00:02"}}""");
        return path;
    }

    private static ReplicationPair NewPair()
    {
        var configuration = Directory.CreateTempSubdirectory("vmrepl-e2e-").FullName;
        return new ReplicationPair(root: configuration) { AgentArguments = ["--config", ConfigFile(configuration)] };
    }

    private void VerifyFirstPoint(params string[] source)
    {
        var target = pair.Path("restored");
        pair.Run(["restore-vm", Group, "--to", target, .. source.Contains("--at") ? [] : new[] { "--at", $"{FirstSequence(source)}" }, .. source]).MustSucceed();
        Referee.Equal(firstMoment, "raw", Path.Combine(target, "sda.qcow2"), "qcow2");
        Directory.Delete(target, recursive: true);
    }

    private ulong FirstSequence(string[] source) => pair.Points(Group, source)[0].GetProperty("sequence").GetUInt64();

    private void VerifyThatNextRoundWorks()
    {
        disk.Overwrite((4 << 20, 70_000 / 512 * 512));
        var points = pair.Points(Group).Count;
        pair.Sync(Group);
        Assert.That(pair.Points(Group), Has.Count.EqualTo(points + 1));
        var target = pair.Path("newest");
        pair.Run("restore-vm", Group, "--to", target, "--format", "raw").MustSucceed();
        Referee.Equal(disk.File, "qcow2", Path.Combine(target, "sda.raw"), "raw");
        Directory.Delete(target, recursive: true);
        VerifyFirstPoint();
    }
}
