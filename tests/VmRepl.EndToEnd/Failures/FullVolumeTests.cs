using VmRepl.EndToEnd.Disks;
using VmRepl.EndToEnd.Processes;

namespace VmRepl.EndToEnd.Failures;

/// <summary>The replica's volume runs full: the round waits, then fails with the reason, what was there stays; a round that waits goes on by itself when there is room again.</summary>
internal sealed class FullVolumeTests
{
    private const string Group = "db";

    [Test]
    public void Replica_WithoutRoom_SaysSoAndKeepsTheEarlierPoints()
    {
        ExternalTool.RequireRoot();
        ExternalTool.Require("qemu-img", "qemu-io");
        using var pair = new ReplicationPair { AgentEnvironment = new Dictionary<string, string> { ["Link__RoomFor"] = "00:00:04" }, ReplicaArguments = ["--journal-reserve", "64MiB"] };
        var volume = Directory.CreateDirectory(pair.Path("volume")).FullName;
        ExternalTool.Run("mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", volume);
        try
        {
            Fill(pair, Path.Combine(volume, "store"), volume);
        }
        finally
        {
            pair.Agent?.Dispose();
            pair.Replica?.Dispose();
            ExternalTool.Run("umount", volume);
        }
    }

    private static void Fill(ReplicationPair pair, string store, string volume)
    {
        pair.Store = store;
        pair.Start();
        var disk = PlainDisk.Create(pair.Root, "sda", "raw", sizeMiB: 64, dataMiB: 32, seed: 9);
        pair.Protect(Group, disk.Argument).MustSucceed();
        var first = disk.Freeze("first");
        pair.Bookmark(Group, "first");

        // Each round needs its writes in the journal, so some round has no room; nothing may be retired, for the range's start is young and nothing limits it but room.
        CommandResult? refused = null;
        for (var round = 0; round < 8 && refused is null; round++)
        {
            disk.Overwrite((0, 24 << 20), (32 << 20, 24 << 20));
            var result = pair.Run("sync", Group);
            if (result.ExitCode != 0) refused = result;
        }

        Assert.That(refused, Is.Not.Null, $"eight rounds of 48 MiB fitted into 200 MB\n{pair.Logs}");
        Assert.That(refused!.MustFail(1, Group, "no room for 4 s").Hint, Does.Contain("--journal-capacity"));
        var points = pair.Points(Group);
        Assert.That(points, Is.Not.Empty);
        Verify(pair, points[0].GetProperty("sequence").ToString(), points[0].TryGetProperty("bookmark", out var name) && name.GetString() == "first" ? first : null);

        // What was sent before stays, so that a little more room might do: it needs as much again.
        disk.Overwrite((0, 24 << 20), (32 << 20, 24 << 20));
        using var waiting = pair.Begin("sync", Group);
        Assert.That(pair.AwaitWaiting(Group), Does.Contain("waiting for room at the replica").And.Contain("reserve"));
        ExternalTool.Run("mount", "-o", "remount,size=800m", volume);
        waiting.Wait(TimeSpan.FromSeconds(60)).MustSucceed();
        Verify(pair, "latest", disk.File);
    }

    private static void Verify(ReplicationPair pair, string at, string? wanted)
    {
        var target = pair.Path("restored");
        pair.Run("restore-vm", Group, "--to", target, "--at", at).MustSucceed();
        if (wanted is not null) Referee.Equal(wanted, "raw", Path.Combine(target, "sda.raw"), "raw");
        Directory.Delete(target, recursive: true);
    }
}
