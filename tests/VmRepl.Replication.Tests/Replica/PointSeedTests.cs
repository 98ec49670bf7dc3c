using VmRepl.Protocol.Messages;
using VmRepl.Replication.Source;
using VmRepl.Replication.Tests.Stage;

namespace VmRepl.Replication.Tests.Replica;

/// <summary>A baseline that begins from a point of another group of the store sends what differs from it; a point that is none of the peer's business is refused.</summary>
[Parallelizable(ParallelScope.All)]
public class PointSeedTests
{
    private const int MiB = 1 << 20;

    /// <summary>A group with two points: the older one is named, and 1 MiB of the newer one is other contents.</summary>
    private static async Task<(ProtectedVm Vm, byte[] Old, byte[] New)> ProtectAsync(TestDirectory directory, ReplicaHost replica)
    {
        var random = new Random(3);
        var disk = new DiskFile(directory, 4, "web", 8 * MiB);
        disk.Fill(0, 2 * MiB, random);
        disk.Fill(5 * MiB, MiB, random);
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), [disk], "web1");
        await vm.SyncAsync();
        await vm.Group.BookmarkAsync("before", default);
        var old = (byte[])disk.Contents.Clone();
        disk.Fill(MiB, MiB, random);
        await vm.SyncAsync();
        return (vm, old, (byte[])disk.Contents.Clone());
    }

    private static DiskFile Copy(TestDirectory directory, byte[] contents, string seed)
    {
        var disk = new DiskFile(directory, 1, "sda", contents.Length);
        for (var at = 0; at < contents.Length; at += MiB)
        {
            if (contents.AsSpan(at, MiB).ContainsAnyExcept((byte)0)) disk.Write(at, contents.AsSpan(at, MiB));
        }

        disk.Fill(8192, 4096, new Random(4));
        disk.Disk = disk.Disk with { Seed = new SourceSeed(seed, null) };
        return disk;
    }

    [TestCase("group:web1/web", false)]
    [TestCase("group:web1/web@latest", false)]
    [TestCase("group:web1/web@before", true)]
    public async Task Baseline_FromPoint_SendsWhatDiffersFromThatPoint(string seed, bool isOld)
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var (_, old, newest) = await ProtectAsync(directory, replica);
        var disk = Copy(directory, isOld ? old : newest, seed);
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), [disk]);
        var result = await vm.SyncAsync();
        PointChecker.CheckViews(replica.Store, vm);
        Assert.Multiple(() =>
        {
            Assert.That(result.ChangedBytes, Is.EqualTo(4096));
            Assert.That(result.BytesSent, Is.LessThan(4096 + 16_384));
            Assert.That(vm.Group.Status.Seeds.Single(), Is.EqualTo(new SeedOutcome("sda", replica.Store.Identity.Id, seed, "point", 8 * MiB, 3 * MiB, "")));
            Assert.That(replica.Store.Get("vm").Live[1].Map(2 * MiB, 3 * MiB).Any(r => r.HasData), Is.False, "what is a hole there stays one");
        });
    }

    [Test]
    public async Task Baseline_FromPointWhoseGroupGoesOnMeanwhile_IsEqual()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var (web, _, newest) = await ProtectAsync(directory, replica);
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), [Copy(directory, newest, "group:web1/web")]);
        var seeding = vm.SyncAsync();
        for (var i = 0; i < 5; i++)
        {
            web.Disks[0].Fill(i * MiB, MiB, new Random(i));
            await web.SyncAsync();
        }

        await seeding;
        PointChecker.CheckViews(replica.Store, vm);
    }

    [TestCase("group:", "is not of the form")]
    [TestCase("group:web1", "is not of the form")]
    [TestCase("group:web1/", "is not of the form")]
    [TestCase("group:../web1/web", "is not of the form")]
    [TestCase("group:web1/web@", "is not of the form")]
    [TestCase("group:web2/web", "no group named web2")]
    [TestCase("group:web1/other", "group web1 has no disk other")]
    [TestCase("group:web1/web@never", "never")]
    [TestCase("group:web1/web@999999", "999999")]
    public async Task Opening_PointThatIsNotThere_IsRefusedAndLeavesNothing(string seed, string reason)
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await ProtectAsync(directory, replica);
        var disk = new DiskFile(directory, 1, "sda", MiB);
        disk.Disk = disk.Disk with { Seed = new SourceSeed(seed, null) };
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), [disk]);
        var refused = Assert.ThrowsAsync<ReplicationException>(() => vm.Group.SyncAsync(default));
        Assert.Multiple(() =>
        {
            Assert.That(refused!.IsRefusal, Is.True);
            Assert.That(refused.Message, Does.Contain(reason).And.Contain("disk sda"));
            Assert.That(replica.Store.Find("vm"), Is.Null);
        });
    }

    [TestCase("web1")]
    [TestCase("nothing")]
    public async Task Opening_PointOfGroupThatThePeerMayNotOpen_IsRefusedAlike(string group)
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await ProtectAsync(directory, replica);
        await using var peer = await RawPeer.ConnectAsync(replica, identity: TestIdentity.For("vm"));
        var refusal = await peer.AskAsync<Refusal>(RawPeer.Opening() with { Seeds = [new DeclaredSeed(1, $"group:{group}/web", "")] });
        Assert.That((refusal.Code, refusal.Message), Is.EqualTo((RefusalCode.SeedRefused, $"group vm: the seed of disk sda, group:{group}/web, is not taken: the certificate does not allow group {group}")));
        Assert.That(replica.Store.Find("vm"), Is.Null);
    }
}
