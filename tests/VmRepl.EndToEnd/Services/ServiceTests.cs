using System.Globalization;
using System.Text.Json.Nodes;
using VmRepl.EndToEnd.Disks;
using VmRepl.EndToEnd.Processes;

namespace VmRepl.EndToEnd.Services;

/// <summary>How agent and replica start, stop, and take up what they left.</summary>
internal sealed class ServiceTests
{
    private const string Group = "mail";

    private ReplicationPair pair = null!;

    [SetUp]
    public void Start()
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        pair = new ReplicationPair().Start();
    }

    [TearDown]
    public void Remove() => pair?.Dispose();

    [TestCase("qcow2"), TestCase("vmdk")]
    public void LiveImages_OfStoppedReplica_AreTheSourceForOthers(string format)
    {
        var disk = PlainDisk.Create(pair.Root, "sda", format, sizeMiB: 40, dataMiB: 10, seed: 21);
        pair.Protect(Group, disk.Argument).MustSucceed();
        disk.Overwrite((512, 512), (7 << 20, 1 << 20), ((40 << 20) - 4096, 4096));
        pair.Sync(Group);
        Assert.That(pair.Agent!.Stop(), Is.Zero, pair.Logs);
        Assert.That(pair.Replica!.Stop(), Is.Zero, pair.Logs);
        VerifyLive(disk);
    }

    [Test]
    public void LiveImages_AfterKill_AreTheSourceOnceTheReplicaHasBeenUp()
    {
        var disk = PlainDisk.Create(pair.Root, "sda", "raw", sizeMiB: 40, dataMiB: 10, seed: 22);
        pair.Protect(Group, disk.Argument).MustSucceed();
        disk.Overwrite((7 << 20, 6 << 20), (30 << 20, 512));
        pair.Sync(Group);
        pair.Replica!.Kill();
        pair.StartReplica();
        Assert.That(pair.Replica!.Stop(), Is.Zero, pair.Logs);
        VerifyLive(disk);
    }

    /// <summary>.NET's host would watch the working directory and all below it, the disks among it: an event for each write.</summary>
    [Test, Platform("Linux")]
    public void Services_WatchNoDirectory()
    {
        foreach (var service in (VmReplService[])[pair.Agent!, pair.Replica!])
        {
            var open = Directory.EnumerateFiles($"/proc/{service.Id}/fd").Select(f => new FileInfo(f).LinkTarget).ToList();
            Assert.That(open, Has.Count.GreaterThan(3).And.None.Contains("inotify"), service.Log);
        }
    }

    [Test]
    public void Services_OnSigterm_EndCleanly()
    {
        var disk = PlainDisk.Create(pair.Root, "sda", "raw", sizeMiB: 16, dataMiB: 4, seed: 23);
        pair.Protect(Group, disk.Argument).MustSucceed();
        Assert.That(File.Exists(pair.Socket) && File.Exists(Path.Combine(pair.Store, "replica.sock")), "both are there while they run");
        Assert.That(pair.Agent!.Stop(), Is.Zero, pair.Logs);
        Assert.That(pair.Replica!.Stop(), Is.Zero, pair.Logs);
        Assert.That(File.Exists(pair.Socket), Is.False);
        Assert.That(File.Exists(Path.Combine(pair.Store, "replica.sock")), Is.False);

        // All was applied and flushed: opening the store again writes nothing into the live image.
        var live = new FileInfo(Path.Combine(pair.Store, "groups", Group, "live", "sda.vhdx"));
        var before = live.LastWriteTimeUtc;
        pair.Start();
        live.Refresh();
        Assert.That(live.LastWriteTimeUtc, Is.EqualTo(before));
        pair.Sync(Group);
    }

    [TestCase(true), TestCase(false)]
    public void Baseline_WhoseReplicaEnds_GoesOnWhenItStartsAgain(bool isKilled)
    {
        var disk = PlainDisk.Create(pair.Root, "sda", "raw", sizeMiB: 256, dataMiB: 200, seed: 24);
        pair.Run("protect", Group, "--disk", disk.Argument, "--to", pair.Address, "--no-wait").MustSucceed();
        using (var api = new AgentSocket(pair.Socket)) Assert.That(api.Phase(Group), Is.EqualTo("baseline"), "it ended too early to show anything");
        if (isKilled) pair.Replica!.Kill();
        else Assert.That(pair.Replica!.Stop(), Is.Zero, pair.Logs);
        pair.StartReplica();
        WaitForPoint();
        VerifyNewest(disk);
    }

    [Test]
    public void SecondReplica_OnTheSameStore_IsRefused()
    {
        var second = VmReplCommand.Run(null, "replica", "--store", pair.Store, "--listen", $"127.0.0.1:{ReplicationPair.FreePort()}", "--json");
        second.MustFail(3, pair.Store, "in use");
        Assert.That(pair.Replica!.HasExited, Is.False);
    }

    [Test]
    public void SecondAgent_OnTheSameStateOrSocket_IsRefused()
    {
        VmReplCommand.Run(null, "agent", "--state", pair.Path("state"), "--socket", pair.Path("b.sock"), "--json").MustFail(3, pair.Path("state"), "in use");
        VmReplCommand.Run(null, "agent", "--state", pair.Path("state2"), "--socket", pair.Socket, "--json").MustFail(3, pair.Socket);
        pair.Run("status").MustSucceed();
    }

    [TestCase("0.0.0.0"), TestCase("[::]")]
    public void Replica_BeyondLoopbackWithoutCertificates_IsRefused(string host)
    {
        var store = pair.Path("other");
        VmReplCommand.Run(null, "replica", "--store", store, "--listen", $"{host}:{ReplicationPair.FreePort()}", "--json").MustFail(3, "certificates");
        Assert.That(Directory.Exists(store), Is.False, "refused before anything was made");
    }

    [Test]
    public void Protect_ToReplicaBeyondLoopbackWithoutCertificates_IsRefused()
    {
        var disk = PlainDisk.Create(pair.Root, "sda", "raw", sizeMiB: 4, dataMiB: 1, seed: 25);
        pair.Run("protect", Group, "--disk", disk.Argument, "--to", "192.0.2.1:7707").MustFail(3, Group, "192.0.2.1:7707", "in the clear");
        Assert.That(pair.Run("status").MustSucceed().Json.GetProperty("groups").GetArrayLength(), Is.Zero);
        pair.Run("restore-vm", Group, "--to", pair.Path("out"), "--from", "192.0.2.1:7707").MustFail(3, "192.0.2.1:7707", "in the clear");
    }

    [TestCase(true), TestCase(false)]
    public void Baseline_WhoseAgentEnds_IsResumedWhenItStartsAgain(bool isKilled)
    {
        var disk = PlainDisk.Create(pair.Root, "sda", "raw", sizeMiB: 256, dataMiB: 200, seed: 26);
        var begun = pair.Run("protect", Group, "--disk", disk.Argument, "--to", pair.Address, "--no-wait").MustSucceed().Json;
        Assert.That(begun.GetProperty("phase").GetString(), Is.EqualTo("baseline"));
        // The agent answers before the replica has heard of the group; what is to be cut off is the baseline.
        Assert.That(() => Directory.Exists(Path.Combine(pair.Store, "groups", Group)), Is.True.After(10_000, 5), pair.Logs);
        if (isKilled) pair.Agent!.Kill();
        else Assert.That(pair.Agent!.Stop(), Is.Zero, pair.Logs);
        Assert.That(pair.Points(Group, "--from", pair.Address), Is.Empty, "it was stopped too late to show anything");

        pair.StartAgent();
        WaitForPoint();
        VerifyNewest(disk);
    }

    [Test]
    public void Unprotect_OfGroup_LeavesItsPointsRestorable()
    {
        var disk = PlainDisk.Create(pair.Root, "sda", "raw", sizeMiB: 8, dataMiB: 2, seed: 27);
        pair.Protect(Group, disk.Argument).MustSucceed();
        pair.Run("unprotect", Group).MustSucceed();
        pair.Run("sync", Group).MustFail(1, Group);
        VerifyNewest(disk, "--from", pair.Address);

        // Protected again by the same agent, it goes on where it was: the earlier point stays.
        pair.Protect(Group, disk.Argument).MustSucceed();
        Assert.That(pair.Points(Group), Has.Count.EqualTo(2));
    }

    private void WaitForPoint()
    {
        using var api = new AgentSocket(pair.Socket);
        api.WaitForPhase(Group, "idle", TimeSpan.FromSeconds(60));
        Assert.That(pair.Points(Group), Is.Not.Empty, pair.Logs);
    }

    private void VerifyNewest(PlainDisk disk, params string[] source)
    {
        var target = pair.Path("restored");
        pair.Run(["restore-vm", Group, "--to", target, "--format", "raw", .. source]).MustSucceed();
        Referee.Equal(disk.File, disk.Format, Path.Combine(target, "sda.raw"), "raw");
    }

    /// <summary>The live image as a VHDX, as a VMDK, and as raw bytes at the offset that the VMDK's descriptor names.</summary>
    private void VerifyLive(PlainDisk disk)
    {
        var live = Path.Combine(pair.Store, "groups", Group, "live");
        Referee.Equal(disk.File, disk.Format, Path.Combine(live, "sda.vhdx"), "vhdx");
        Referee.Equal(disk.File, disk.Format, Path.Combine(live, "sda.vmdk"), "vmdk");
        var extent = File.ReadLines(Path.Combine(live, "sda.vmdk")).Single(l => l.StartsWith("RW ", StringComparison.Ordinal)).Split(' ');
        var (sectors, offset) = (long.Parse(extent[1], CultureInfo.InvariantCulture), long.Parse(extent[4], CultureInfo.InvariantCulture));
        var raw = new JsonObject
        {
            ["driver"] = "raw",
            ["offset"] = offset * 512,
            ["size"] = sectors * 512,
            ["file"] = new JsonObject { ["driver"] = "file", ["filename"] = Path.Combine(live, "sda.vhdx") },
        };
        Referee.Equal(disk.File, disk.Format, $"json:{raw.ToJsonString()}", null);
    }
}
