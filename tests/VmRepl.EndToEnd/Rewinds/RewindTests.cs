using System.Text.Json;
using VmRepl.EndToEnd.Disks;
using VmRepl.EndToEnd.Processes;

namespace VmRepl.EndToEnd.Rewinds;

/// <summary>
/// The live images taken back and forward by every way there is, and compared by qemu-img with the disks as they were; then every point restored.
/// What is not checked here: crashes in a rewind, which the simulation and the journal's own tests do at every change.
/// </summary>
internal sealed class RewindTests
{
    private const string Group = "vm1";

    [Test]
    public void Rewind_BackAndForwardByEveryWay_LiveImagesAndPointsAreRight()
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        using var pair = new ReplicationPair().Start();
        PlainDisk[] disks = [PlainDisk.Create(pair.Root, "sda", "qcow2", 32, 4, seed: 1), PlainDisk.Create(pair.Root, "sdb", "vhdx", 24, 3, seed: 2)];
        pair.Protect(Group, [.. disks.Select(d => d.Argument)]).MustSucceed();
        var wanted = new Dictionary<ulong, string>();
        Note(pair, disks, wanted, "r0");
        for (var round = 1; round <= 3; round++)
        {
            foreach (var disk in disks) disk.Overwrite([(round * 300_032L / 512 * 512, 700 * 512), (5L << 20, 2 << 20), ((long)round << 22, 64 << 10)]);
            pair.Sync(Group);
            Note(pair, disks, wanted, $"r{round}");
        }

        var points = pair.Points(Group);
        Assert.That(points.Select(p => p.GetProperty("rewindBytes").GetInt64()), Is.Ordered.Descending);
        Assert.That(points[0].GetProperty("rewindBytes").GetInt64(), Is.GreaterThan(4L << 20));
        Assert.That(points[^1].GetProperty("rewindBytes").GetInt64(), Is.Zero);
        Assert.That(points[0].GetProperty("rewindSeconds").GetDouble(), Is.Positive, "rounds were measured");

        Rewind(pair, disks, wanted, "r0");
        pair.Run("bookmark", Group, "after").MustFail(1, Group, "rewound");
        Rewind(pair, disks, wanted, "r3", "--from", pair.Address);
        Rewind(pair, disks, wanted, "r1", "--store", pair.Store);
        pair.KillBoth();
        Rewind(pair, disks, wanted, "r2", "--store", pair.Store);
        Rewind(pair, disks, wanted, "r0", "--store", pair.Store);
        CheckPoints(pair, wanted, disks);

        // The source knows nothing of it and brings the replica to its own state.
        pair.Start();
        disks[0].Overwrite([(9L << 20, 4096)]);
        var synced = pair.Sync(Group);
        Assert.That(synced.GetProperty("changedBytes").GetInt64(), Is.GreaterThan(2L << 20), "what was rewound differs and is sent");
        Note(pair, disks, wanted, "synced");
        CheckLive(pair, disks, "synced");
        CheckPoints(pair, wanted, disks);
    }

    [Test]
    public void Rewind_NoSuchPointOrStore_SaysSoAndMakesNothing()
    {
        using var pair = new ReplicationPair().Start();
        var disk = PlainDisk.Create(pair.Root, "sda", "raw", 4, 1, seed: 3);
        pair.Protect(Group, disk.Argument).MustSucceed();
        pair.Run("rewind", Group, "--to", "nowhere").MustFail(1, "nowhere");
        pair.Run("rewind", "other", "--to", "latest", "--from", pair.Address).MustFail(1, "other");
        var nothing = pair.Path("nothing");
        pair.Run("rewind", Group, "--to", "latest", "--store", nothing).MustFail(1, nothing);
        Assert.That(Directory.Exists(nothing), Is.False);
        Assert.That(pair.Points(Group), Has.Count.EqualTo(1));
    }

    private static void Note(ReplicationPair pair, PlainDisk[] disks, Dictionary<ulong, string> wanted, string moment)
    {
        foreach (var disk in disks) disk.Freeze(moment);
        pair.Bookmark(Group, moment);
        wanted[Sequence(pair.Points(Group)[^1])] = moment;
    }

    private static void Rewind(ReplicationPair pair, PlainDisk[] disks, Dictionary<ulong, string> wanted, string moment, params string[] source)
    {
        var report = pair.Run(["rewind", Group, "--to", moment, .. source]).MustSucceed().Json;
        Assert.That(report.GetProperty("to").GetProperty("bookmark").GetString(), Is.EqualTo(moment));
        Assert.That(report.GetProperty("rewoundBytes").GetInt64(), Is.Positive);
        wanted[Sequence(report.GetProperty("point"))] = moment;
        CheckLive(pair, disks, moment);
    }

    private static void CheckLive(ReplicationPair pair, PlainDisk[] disks, string moment)
    {
        foreach (var disk in disks)
        {
            var live = Path.Combine(pair.Store, "groups", Group, "live", disk.Name + ".vhdx");
            // A replica has it open, and it stands still.
            var (status, output, error) = ExternalTool.Try("qemu-img", ["compare", "-U", "-f", "raw", "-F", "vhdx", Want(pair, disk, moment), live]);
            Assert.That(status, Is.Zero, $"live image of {disk.Name} as of {moment}: {output} {error}");
        }
    }

    private static void CheckPoints(ReplicationPair pair, Dictionary<ulong, string> wanted, PlainDisk[] disks)
    {
        var points = pair.Points(Group, "--store", pair.Store).Select(Sequence).Distinct().ToList();
        Assert.That(points, Is.EquivalentTo(wanted.Keys));
        foreach (var point in points)
        {
            var target = pair.Path($"restored-{Guid.NewGuid():n}");
            pair.Run("restore-vm", Group, "--to", target, "--at", $"{point}", "--format", "raw", "--store", pair.Store).MustSucceed();
            foreach (var disk in disks) Referee.Equal(Want(pair, disk, wanted[point]), "raw", Path.Combine(target, disk.Name + ".raw"), "raw");
            Directory.Delete(target, recursive: true);
        }
    }

    private static string Want(ReplicationPair pair, PlainDisk disk, string moment) => pair.Path($"{disk.Name}.{moment}.want");

    private static ulong Sequence(JsonElement point) => point.GetProperty("sequence").GetUInt64();
}
