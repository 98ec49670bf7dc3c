using System.Security.Cryptography;
using VmRepl.EndToEnd.Disks;
using VmRepl.EndToEnd.Processes;

namespace VmRepl.EndToEnd.Clones;

/// <summary>A baseline that begins from a copy at the replica: a disk of 2 GiB of which 2 % of the blocks differ, by the wire's own count.</summary>
internal sealed class SeedTests
{
    private const string Group = "seeded";
    private const long MiB = 1 << 20;
    private const int SizeMiB = 2048, DataMiB = 256, BlockBytes = 4096;

    // 2 % of the disk's blocks; all of them in its contents, where one in six differs then.
    private const int Differing = SizeMiB * 256 / 50;
    private const long SentMax = Differing * (long)BlockBytes * 12 / 10;

    private ReplicationPair pair = null!;
    private string disk = null!;

    [SetUp]
    public void Begin()
    {
        ExternalTool.Require("qemu-img");
        var root = Directory.CreateTempSubdirectory("vmrepl-e2e-").FullName;
        Directory.CreateDirectory(Path.Combine(root, "copies"));
        pair = new ReplicationPair(root) { ReplicaArguments = ["--seeds", Path.Combine(root, "copies")] };
        disk = MakeDisk();
    }

    [TearDown]
    public void End() => pair?.Dispose();

    [TestCase("snapshot", "vhdx")]
    [TestCase("served", "qcow2")]
    public void Baseline_FromCopyInAnotherFormat_SendsWhatDiffers(string capture, string format)
    {
        var copy = pair.Path($"copies/old copy,é.{format}");
        ExternalTool.Run("qemu-img", "convert", "-q", "-f", "raw", "-O", format, disk, copy);
        var before = Hash(copy);
        Change();
        pair.Start();
        using var wire = new Relay(pair.Port);
        var report = pair.Run("protect", Group, "--disk", $"sda={disk},format=raw", "--seed", $"sda={copy}", "--to", wire.Address, "--capture", capture).MustSucceed().Json;
        var seed = report.GetProperty("disks")[0].GetProperty("seed");
        TestContext.Out.WriteLine($"{wire.Sent} bytes on the wire for {Differing} blocks of {BlockBytes}: {wire.Sent / (double)(Differing * BlockBytes):0.000}");
        Assert.Multiple(() =>
        {
            Assert.That(wire.Sent, Is.InRange(Differing * (long)BlockBytes, SentMax), "random blocks do not compress, so less cannot be a copy");
            Assert.That(seed.GetProperty("format").GetString(), Is.EqualTo(format));
            Assert.That(seed.GetProperty("bytesCopied").GetInt64(), Is.EqualTo(DataMiB * MiB));
            Assert.That(seed.GetProperty("problem").GetString(), Is.Null);
            Assert.That(Hash(copy), Is.EqualTo(before), "the copy is as it was");
        });
        RequireRestoresEqual();
    }

    [Test]
    public void Baseline_WhoseReplicaIsKilledWhileItFills_GoesOn()
    {
        var copy = pair.Path("copies/old.raw");
        ExternalTool.Run("qemu-img", "convert", "-q", "-f", "raw", "-O", "raw", disk, copy);
        Change();
        pair.Start();
        pair.Run("protect", Group, "--disk", $"sda={disk},format=raw", "--seed", "sda=old.raw,format=raw", "--to", pair.Address, "--no-wait").MustSucceed();
        var live = Path.Combine(pair.Store, "groups", Group, "live", "sda.vhdx");
        for (var kills = 0; kills < 3; kills++)
        {
            for (var i = 0; i < 3000 && !File.Exists(live); i++) Thread.Sleep(1);
            Thread.Sleep(kills * 40);
            pair.Replica!.Kill();
            pair.StartReplica();
        }

        pair.Sync(Group);
        Referee.Equal(disk, "raw", live, "vhdx");
        RequireRestoresEqual();
    }

    [Test]
    public void Protect_SeedOutsideTheDirectories_IsRefusedAndLeavesNoGroup()
    {
        pair.Start();
        pair.Run("protect", Group, "--disk", $"sda={disk},format=raw", "--seed", $"sda={disk}", "--to", pair.Address).MustFail(3, "seed", "disk sda", "Replica:SeedDirectories");
        Assert.That(pair.Run("protect", Group, "--disk", $"sda={disk},format=raw", "--seed", "sdb=x", "--to", pair.Address).ExitCode, Is.EqualTo(2));
        Assert.That(pair.Run("status").MustSucceed().Json.GetProperty("groups").GetArrayLength(), Is.Zero);
        Assert.That(Directory.Exists(Path.Combine(pair.Store, "groups", Group)), Is.False);
    }

    [Test]
    public void Replica_SeedsInItsOwnStore_DoesNotStart()
    {
        Directory.CreateDirectory(pair.Store);
        using var replica = new VmReplService(new Dictionary<string, string>(), "replica", "--store", pair.Store, "--listen", pair.Address, "--seeds", pair.Root);
        Assert.That(replica.WaitForExit(), Is.Not.Zero);
        Assert.That(replica.Log, Does.Contain("--seeds"));
    }

    private void RequireRestoresEqual()
    {
        pair.Run("restore-vm", Group, "--to", pair.Path("restored"), "--format", "raw").MustSucceed();
        Assert.That(Hash(pair.Path("restored/sda.raw")), Is.EqualTo(Hash(disk)));
    }

    private static string Hash(string file)
    {
        using var stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    private string MakeDisk()
    {
        var path = pair.Path("disk.raw");
        var random = new Random(21);
        var piece = new byte[MiB];
        using var file = File.Create(path);
        file.SetLength(SizeMiB * MiB);
        for (var i = 0; i < DataMiB; i++)
        {
            random.NextBytes(piece);
            file.Position = i * (SizeMiB / DataMiB) * MiB;
            file.Write(piece);
        }

        return path;
    }

    /// <summary>Gives blocks all over the contents others.</summary>
    private void Change()
    {
        var random = new Random(22);
        var block = new byte[BlockBytes];
        using var file = File.OpenWrite(disk);
        foreach (var at in Enumerable.Range(0, DataMiB * 256).OrderBy(_ => random.Next()).Take(Differing))
        {
            random.NextBytes(block);
            file.Position = (at / 256 * (SizeMiB / DataMiB) * MiB) + (at % 256 * BlockBytes);
            file.Write(block);
        }
    }
}
