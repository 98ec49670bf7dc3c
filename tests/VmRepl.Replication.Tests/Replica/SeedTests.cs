using VmRepl.Blocks.Files;
using VmRepl.Images;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using VmRepl.Replication.Replica.Seeds;
using VmRepl.Replication.Source;
using VmRepl.Replication.Tests.Following;
using VmRepl.Replication.Tests.Stage;

namespace VmRepl.Replication.Tests.Replica;

/// <summary>A baseline that begins from a file at the replica sends what differs from it, whatever it is; and a name or a file that is none of the source's business is refused.</summary>
[Parallelizable(ParallelScope.All)]
public class SeedTests
{
    private const int MiB = 1 << 20;

    private static SeedDirectories Directories(TestDirectory directory)
    {
        Directory.CreateDirectory(directory.File("seeds"));
        return new SeedDirectories([directory.File("seeds")]);
    }

    /// <summary>A disk of 8 MiB with 4 MiB of contents, and an older copy of it in which some blocks differ.</summary>
    private static DiskFile Make(TestDirectory directory, string seed, ImageFormat format, long seedLength = 8 * MiB, int differing = 20)
    {
        var random = new Random(5);
        var disk = new DiskFile(directory, 1, "sda", 8 * MiB);
        for (var at = 0; at < 8 * MiB; at += 2 * MiB) disk.Fill(at, MiB, random);
        using (var image = DiskImages.Create(directory.File("seeds/" + seed), format, seedLength))
        {
            var contents = disk.Contents.AsSpan(0, (int)Math.Min(seedLength, disk.Contents.Length));
            for (var at = 0; at < contents.Length; at += 2 * MiB) image.Write(at, contents.Slice(at, Math.Min(MiB, contents.Length - at)));
            // What the seed has and the disk has not, too: it has to go again.
            if (seedLength > 8 * MiB) image.Write(8 * MiB, new byte[] { 1, 2, 3 });
            image.Write(MiB + 8192, disk.Contents.AsSpan(0, 4096));
            image.Flush();
        }

        for (var i = 0; i < differing; i++) disk.Fill((i * 2 % 8 * MiB) + (i * 7 % 256 * 4096), 4096, random);
        return disk;
    }

    [TestCase(ImageFormat.Raw)]
    [TestCase(ImageFormat.Qcow2)]
    [TestCase(ImageFormat.Vhdx)]
    [TestCase(ImageFormat.Vmdk)]
    public async Task Baseline_FromSeed_SendsWhatDiffers(ImageFormat format)
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"), seeds: Directories(directory));
        var disk = Make(directory, "old", format);
        disk.Disk = disk.Disk with { Seed = new SourceSeed(directory.File("seeds/old"), null) };
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), [disk]);
        var result = await vm.SyncAsync();
        PointChecker.CheckViews(replica.Store, vm);
        Assert.Multiple(() =>
        {
            Assert.That(result.BytesSent, Is.LessThan(20 * 4096 + 16_384));
            Assert.That(result.ChangedBytes, Is.EqualTo(21 * 4096), "20 blocks that the disk has otherwise, and one that the seed has and the disk has not");
            Assert.That(vm.Group.Status.Seeds.Single(), Is.EqualTo(new SeedOutcome("sda", replica.Store.Identity.Id, directory.File("seeds/old"), ImageFormatNames.Name(format), 8 * MiB, (4 * MiB) + 4096, "")));
        });
    }

    [TestCase(3 * MiB, TestName = "shorter")]
    [TestCase(20 * MiB, TestName = "longer")]
    public async Task Baseline_FromSeedOfOtherLength_UsesItAsFarAsItGoes(long length)
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"), seeds: Directories(directory));
        var disk = Make(directory, "old", ImageFormat.Qcow2, length);
        disk.Disk = disk.Disk with { Seed = new SourceSeed("old", ImageFormat.Qcow2) };
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), [disk]);
        var result = await vm.SyncAsync();
        PointChecker.CheckViews(replica.Store, vm);
        Assert.That(result.BytesSent, length < 8 * MiB ? Is.InRange(2 * MiB, (2 * MiB) + 100_000) : Is.LessThan(100_000));
        Assert.That(vm.Group.Status.Seeds.Single().Length, Is.EqualTo(length));
    }

    [Test]
    public async Task Baseline_FromChain_UsesAllOfIt()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"), seeds: Directories(directory));
        var disk = Make(directory, "base", ImageFormat.Vhdx, differing: 0);
        DiskImages.CreateOverlay(directory.File("seeds/top"), ImageFormat.Qcow2, new ImageCreateOptions { Backing = new ImageBacking("base", ImageFormat.Vhdx) }).Dispose();
        disk.Disk = disk.Disk with { Seed = new SourceSeed("top", ImageFormat.Qcow2) };
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), [disk]);
        Assert.That((await vm.SyncAsync()).ChangedBytes, Is.EqualTo(4096));
        PointChecker.CheckViews(replica.Store, vm);
    }

    [Test]
    public async Task Baseline_FromSeedThatIsDamagedOnTheWay_UsesWhatWasBefore()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"), seeds: Directories(directory));
        var disk = Make(directory, "old", ImageFormat.Vmdk, differing: 0);
        // The grain table's entries of what lies behind 4 MiB lead out of the file.
        using (var file = HostFile.Open(directory.File("seeds/old"), HostFileAccess.ReadWrite)) file.SetLength(file.Length - (2 * MiB));
        disk.Disk = disk.Disk with { Seed = new SourceSeed("old", ImageFormat.Vmdk) };
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), [disk]);
        var result = await vm.SyncAsync();
        PointChecker.CheckViews(replica.Store, vm);
        var outcome = vm.Group.Status.Seeds.Single();
        Assert.Multiple(() =>
        {
            Assert.That(outcome.Problem, Does.StartWith("used up to byte"));
            Assert.That(outcome.CopiedBytes, Is.GreaterThanOrEqualTo(MiB));
            Assert.That(result.BytesSent, Is.InRange(MiB, 4 * MiB));
        });
    }

    [Test]
    public async Task Baseline_FromSeedCutAnywhere_GetsThrough()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"), seeds: Directories(directory));
        for (var seed = 0; seed < 30; seed++)
        {
            var random = new Random(seed);
            using var own = new TestDirectory(directory);
            Directory.CreateDirectory(own.File("seeds"));
            var disk = Make(own, "old", ImageFormat.Raw);
            File.Move(own.File("seeds/old"), directory.File($"seeds/old{seed}"));
            disk.Disk = disk.Disk with { Seed = new SourceSeed($"old{seed}", ImageFormat.Raw) };
            ITransport Cut(int n, ITransport inner) => n > 6 ? inner : new CuttingTransport(inner, random.NextInt64(100, 60_000), random.Next(2) == 0 ? random.Next(50, 3000) : long.MaxValue);
            var vm = new ProtectedVm(own, new MemoryConnector(replica.Accept) { Wrap = Cut }, [disk], $"vm{seed}");
            await vm.SyncAsync();
            PointChecker.CheckViews(replica.Store, vm);
            Assert.That(replica.Log.Errors, Is.Empty, $"seed {seed}");
        }
    }

    [Test]
    public async Task Baseline_WhoseReplicaAndAgentStartAnew_DoesNotSeedTwice()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"), seeds: Directories(directory));
        var disk = Make(directory, "old", ImageFormat.Qcow2, differing: 200);
        disk.Disk = disk.Disk with { Seed = new SourceSeed("old", ImageFormat.Qcow2) };
        // Once everything was seeded and half of the rest was sent, the line is dead for good.
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept) { Wrap = (_, inner) => new CuttingTransport(inner, 400_000, long.MaxValue) }, [disk]) { Options = ProtectedVm.Quick with { RetryFor = TimeSpan.FromMilliseconds(50) } };
        var dead = false;
        vm.Connector.Wrap = (n, inner) => dead ? new CuttingTransport(inner, 0, long.MaxValue) : new CuttingTransport(inner, n == 1 ? 400_000 : 0, long.MaxValue);
        vm.Restart();
        Assert.ThrowsAsync<ReplicationException>(() => vm.Group.SyncAsync(default));
        dead = true;
        await replica.StopAsync();
        replica.Store.Dispose();
        replica.Open(directory.Host("store"));
        File.Delete(directory.File("seeds/old"));

        vm.Connector.Wrap = (_, inner) => inner;
        vm.Options = ProtectedVm.Quick;
        vm.Restart();
        var result = await vm.SyncAsync();
        PointChecker.CheckViews(replica.Store, vm);
        Assert.That(result.BytesSent, Is.LessThan((201 * 4096) + 60_000), "what the seed brought is still there, and the seed is not");
        Assert.That(vm.Group.Status.Seeds.Single().Problem, Is.Empty);
    }

    [Test]
    public async Task Following_FromSeed_SendsWhatDiffers()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"), seeds: Directories(directory));
        await using var vm = new FollowedVm(directory, replica, [("sda", ImageFormat.Raw, 8 * MiB)]);
        var made = Make(directory, "old", ImageFormat.Qcow2);
        File.Copy(made.Path, vm.Definition.Disks[0].File, overwrite: true);
        vm.Definition = vm.Definition with { Disks = [vm.Definition.Disks[0] with { Seed = new SourceSeed("old", null) }] };
        vm.Start();
        await vm.CheckEqualAsync("after a baseline from a seed");
        var status = vm.Group.Status;
        Assert.Multiple(() =>
        {
            Assert.That(status.Following!.BytesSent, Is.LessThan(100_000));
            Assert.That(status.Seeds.Single().CopiedBytes, Is.EqualTo((4 * MiB) + 4096));
            Assert.That(status.Waiting, Is.Null);
        });
    }

    [TestCase("../secret", "does not lie in")]
    [TestCase("seeds/../../secret", "does not lie in")]
    [TestCase("{root}/secret", "does not lie in")]
    [TestCase("/dev/zero", "does not lie in")]
    [TestCase("link", "does not lie in")]
    [TestCase("way/secret", "does not lie in")]
    [TestCase("pipe", "does not lie in")]
    [TestCase(".", "does not lie in")]
    [TestCase("", "does not lie in")]
    [TestCase("json:{}", "does not lie in")]
    [TestCase("nothing", "cannot be read")]
    [TestCase("torn", "cannot be read")]
    [TestCase("over", "outside the directories")]
    public async Task Opening_SeedThatIsNotForIt_IsRefusedAndLeavesNothing(string file, string reason)
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"), seeds: Directories(directory));
        File.WriteAllBytes(directory.File("secret"), new byte[4096]);
        File.CreateSymbolicLink(directory.File("seeds/link"), directory.File("secret"));
        File.CreateSymbolicLink(directory.File("seeds/way"), directory.Path);
        File.WriteAllBytes(directory.File("seeds/torn"), [.. "QFI"u8, 0xfb, 0, 0, 0, 3, .. new byte[200]]);
        using (var pipe = System.Diagnostics.Process.Start("mkfifo", directory.File("seeds/pipe"))) pipe.WaitForExit();
        DiskImages.CreateOverlay(directory.File("seeds/over"), ImageFormat.Qcow2, new ImageCreateOptions { Backing = new ImageBacking(directory.File("secret"), ImageFormat.Raw), Allow = [directory.Path] }).Dispose();
        var disk = new DiskFile(directory, 1, "sda", MiB);
        disk.Disk = disk.Disk with { Seed = new SourceSeed(file.Replace("{root}", directory.Path), null) };
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), [disk]);
        var refused = Assert.ThrowsAsync<ReplicationException>(() => vm.Group.SyncAsync(default));
        Assert.Multiple(() =>
        {
            Assert.That(refused!.IsRefusal, Is.True);
            Assert.That(refused.Message, Does.Contain(reason).And.Contain("group vm").And.Contain("disk sda"));
            Assert.That(replica.Store.Find("vm"), Is.Null);
            Assert.That(vm.Connector.Connections, Is.EqualTo(1), "it is not tried again");
        });
    }

    [Test]
    public async Task Opening_ReplicaThatTakesNoSeeds_Refuses()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var peer = await RawPeer.ConnectAsync(replica);
        var refusal = await peer.AskAsync<Refusal>(RawPeer.Opening() with { Seeds = [new DeclaredSeed(1, "/etc/passwd", "raw")] });
        Assert.That((refusal.Code, refusal.Message), Is.EqualTo((RefusalCode.SeedRefused, "group vm: the seed of disk sda, /etc/passwd, is not taken: this replica takes no seeds")));
    }

    [Test]
    public async Task Session_SeedThatWasNotDeclared_IsAFault([Values(0, 1, 2)] int kind)
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"), seeds: Directories(directory));
        File.WriteAllBytes(directory.File("seeds/old"), new byte[4096]);
        await using var peer = await RawPeer.ConnectAsync(replica);
        await peer.AskAsync<GroupState>(RawPeer.Opening() with { Seeds = kind == 0 ? [] : [new DeclaredSeed(1, "old", "raw")] });
        if (kind == 1) await peer.AskAsync<DiskSeeded>(new SeedDisk(1, 1));
        Assert.That((await peer.AskAsync<Failure>(new SeedDisk(2, kind == 2 ? 9u : 1u))).Code, Is.EqualTo(RefusalCode.Protocol));
    }

    [Test]
    public async Task Session_SeedAfterTheBaseline_IsRefusedAndChangesNothing()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"), seeds: Directories(directory));
        File.WriteAllBytes(directory.File("seeds/old"), [.. Enumerable.Repeat((byte)7, 4096)]);
        await using (var first = await RawPeer.FollowAsync(replica))
        {
        }

        await using var peer = await RawPeer.ConnectAsync(replica);
        await peer.AskAsync<GroupState>(RawPeer.Opening() with { Seeds = [new DeclaredSeed(1, "old", "raw")] });
        Assert.That((await peer.AskAsync<Failure>(new SeedDisk(1, 1))).Message, Does.Contain("baseline"));
        Assert.That(PointChecker.Read(replica.Store.Get("vm").Live[1]), Is.All.Zero);
    }
}
