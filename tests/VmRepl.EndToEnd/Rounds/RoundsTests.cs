using System.Text.Json;
using VmRepl.EndToEnd.Disks;
using VmRepl.EndToEnd.Processes;

namespace VmRepl.EndToEnd.Rounds;

/// <summary>
/// The main job: five rounds on two disks with real file systems, a process killed in the middle of four of them, then every point in every format from the bare store.
/// What is checked: each restored disk equals what qemu-img read at that moment, each file system is clean. What is not: which instant of a round the kill hits; the seed
/// fixes whom it hits and how long after the round was seen running, the machine does the rest.
/// </summary>
[TestFixture("qcow2", "vhdx", 1UL)]
[TestFixture("vmdk", "raw", 2UL)]
internal sealed class RoundsTests(string firstFormat, string secondFormat, ulong seed)
{
    private const string Group = "vm1";
    private const int Rounds = 5;
    private static readonly string[] Formats = ["raw", "qcow2", "vhdx", "vmdk"];

    private readonly Random random = new((int)seed);
    private readonly Dictionary<ulong, string> momentOfPoint = [];

    [Test]
    public void Rounds_CutByKills_EveryPointRestoresInEveryFormat()
    {
        ExternalTool.Require("qemu-img", "qemu-io", "mke2fs", "debugfs", "e2fsck");
        using var pair = new ReplicationPair().Start();
        GuestDisk[] disks = [GuestDisk.Create(pair.Root, "sda", firstFormat, 40, random), GuestDisk.Create(pair.Root, "sdb", secondFormat, 24, random)];
        pair.Protect(Group, [.. disks.Select(d => d.Argument)]).MustSucceed();
        var wanted = new Dictionary<string, Dictionary<string, string>>();
        Freeze(pair, disks, wanted, "baseline");

        var cut = 0;
        for (var round = 1; round <= Rounds; round++)
        {
            foreach (var disk in disks)
            {
                disk.Change(random, round, megabytes: disk.Name == "sda" ? 14 : 6);
                disk.VerifyTwin();
            }

            // The last round runs in peace: all that was cut has to be whole again without help.
            if (round < Rounds && SyncAndKill(pair, ofAgent: round % 2 == 0)) cut++;
            pair.Sync(Group);
            Freeze(pair, disks, wanted, $"r{round}");
        }

        Assert.That(cut, Is.Positive, $"seed {seed}: no kill came in the middle of a round, so nothing was tried\n{pair.Logs}");
        Assert.That(momentOfPoint.Values.Distinct().Count(), Is.EqualTo(Rounds + 1));
        TestContext.Out.WriteLine($"seed {seed}: {cut} of {Rounds - 1} kills came in the middle of a round; {momentOfPoint.Count} points");
        pair.KillBoth();
        RestoreAll(pair, disks, wanted);
    }

    /// <summary>Every point that is new shows the disks as they are now.</summary>
    private void Freeze(ReplicationPair pair, GuestDisk[] disks, Dictionary<string, Dictionary<string, string>> wanted, string moment)
    {
        wanted[moment] = disks.ToDictionary(d => d.Name, d => d.Freeze(moment));
        foreach (var sequence in pair.Points(Group).Select(Sequence)) momentOfPoint.TryAdd(sequence, moment);
        pair.Bookmark(Group, moment);
    }

    /// <summary>Starts a round and kills one of the two while it runs; says whether the round was cut.</summary>
    private bool SyncAndKill(ReplicationPair pair, bool ofAgent)
    {
        var pointsBefore = pair.Points(Group).Count;
        using var sync = pair.Begin("sync", Group);
        using var api = new AgentSocket(pair.Socket);
        api.WaitForPhase(Group, "syncing", TimeSpan.FromSeconds(20));
        Thread.Sleep(random.Next(0, 60));
        if (ofAgent)
        {
            pair.Agent!.Kill();
            var result = sync.Wait(TimeSpan.FromSeconds(30));
            pair.StartAgent();
            if (result.ExitCode != 0) result.MustFail(1, "agent");
            return result.ExitCode != 0;
        }

        var lostBefore = Lost();
        pair.Replica!.Kill();
        pair.StartReplica();
        // The agent holds on: the round goes on where it was cut and ends well, unless it had ended before the kill.
        sync.Wait(TimeSpan.FromSeconds(60)).MustSucceed();
        Assert.That(pair.Points(Group), Has.Count.EqualTo(pointsBefore + 1));
        return Lost() > lostBefore;

        int Lost() => pair.Agent!.Log.Split("; reconnecting").Length;
    }

    private void RestoreAll(ReplicationPair pair, GuestDisk[] disks, Dictionary<string, Dictionary<string, string>> wanted)
    {
        string[] store = ["--store", pair.Store];
        var points = pair.Points(Group, store);
        Assert.That(points.Select(Sequence), Is.EquivalentTo(momentOfPoint.Keys), "each point that was told is there, and no other");
        foreach (var (sequence, moment) in momentOfPoint)
        {
            foreach (var format in Formats)
            {
                var target = pair.Path($"out-{sequence}-{format}");
                pair.Run(["restore-vm", Group, "--to", target, "--at", $"{sequence}", "--format", format, .. store]).MustSucceed();
                foreach (var disk in disks)
                {
                    var file = Path.Combine(target, $"{disk.Name}.{format}");
                    Referee.Equal(wanted[moment][disk.Name], "raw", file, format);
                    if (format == "raw") Referee.CleanFileSystem(file);
                }

                Directory.Delete(target, recursive: true);
            }
        }
    }

    private static ulong Sequence(JsonElement point) => point.GetProperty("sequence").GetUInt64();
}
