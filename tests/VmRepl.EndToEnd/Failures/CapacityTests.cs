using VmRepl.EndToEnd.Disks;
using VmRepl.EndToEnd.Processes;

namespace VmRepl.EndToEnd.Failures;

/// <summary>A journal of a few MiB and a round that is larger: it waits, costs no earlier point, and ends well when the replica is started with more.</summary>
internal sealed class CapacityTests
{
    private const string Group = "db";

    [Test]
    public void Sync_RoundLargerThanTheJournal_WaitsWithThePastWholeAndEndsWithMore()
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        using var pair = new ReplicationPair { ReplicaArguments = ["--journal-capacity", "8MiB", "--journal-age", "30d"] }.Start();
        var disk = PlainDisk.Create(pair.Root, "sda", "raw", sizeMiB: 32, dataMiB: 8, seed: 9);
        pair.Protect(Group, disk.Argument).MustSucceed();
        disk.Overwrite((1 << 20, 1 << 20));
        pair.Sync(Group);
        pair.Bookmark(Group, "before");
        var before = disk.Freeze("before");

        disk.Overwrite((0, 24 << 20));
        using var round = pair.Begin("sync", Group);
        Assert.That(pair.AwaitWaiting(Group), Does.StartWith("waiting for room at the replica: ").And.Contain("8388608 bytes"));
        Assert.That(pair.Points(Group)[^1].GetProperty("bookmark").GetString(), Is.EqualTo("before"));
        Assert.That(Directory.GetFiles(Path.Combine(pair.Store, "groups", Group, "journal")).Sum(f => new FileInfo(f).Length), Is.LessThanOrEqualTo(10 << 20), "a spare file beside the journal at the most");
        Verify(pair, "before", before);

        pair.Replica!.Kill();
        Verify(pair, "before", before, "--store", pair.Store);
        pair.ReplicaArguments = ["--journal-capacity", "256MiB"];
        pair.StartReplica();
        round.Wait(TimeSpan.FromSeconds(60)).MustSucceed();
        Assert.That(pair.Status(Group).GetProperty("waiting").GetString(), Is.Null);
        Verify(pair, "latest", disk.Freeze("after"));
        Verify(pair, "before", before);

        // With little again: what is over it goes at once, the newest point stays.
        Assert.That(pair.Replica.Stop(), Is.Zero);
        pair.ReplicaArguments = ["--journal-capacity", "64MiB"];
        pair.StartReplica();
        Verify(pair, "latest", disk.File);
    }

    [TestCase("--journal-capacity", "7MiB", 1)]
    [TestCase("--journal-capacity", "much", 2)]
    [TestCase("--journal-age", "14", 2)]
    [TestCase("--journal-age", "0d", 1)]
    [TestCase("--journal-reserve", "1MiB", 1)]
    public void Replica_LimitThatCannotBe_IsRefusedByName(string option, string value, int status)
    {
        var directory = Directory.CreateTempSubdirectory("vmrepl-e2e-");
        try
        {
            var result = VmReplCommand.Run(Path.Combine(directory.FullName, "a.sock"), "replica", "--store", Path.Combine(directory.FullName, "store"), "--listen", "127.0.0.1:0", option, value);
            Assert.That(result.ExitCode, Is.EqualTo(status), result.Error);
            Assert.That(result.Error, Does.Contain(option));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static void Verify(ReplicationPair pair, string at, string wanted, params string[] source)
    {
        var target = pair.Path("restored");
        pair.Run(["restore-vm", Group, "--to", target, "--at", at, .. source]).MustSucceed();
        Referee.Equal(wanted, "raw", Path.Combine(target, "sda.raw"), "raw");
        Directory.Delete(target, recursive: true);
    }
}
