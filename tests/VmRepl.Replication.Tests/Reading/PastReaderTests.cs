using System.Security.Cryptography;
using VmRepl.Blocks;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Connections;
using VmRepl.Replication.Reading;
using VmRepl.Replication.Tests.Stage;

namespace VmRepl.Replication.Tests.Reading;

/// <summary>The past as a running replica tells it is the past as its store holds it.</summary>
[Parallelizable(ParallelScope.All)]
public class PastReaderTests
{
    [Test]
    public async Task Views_OverAConnection_EqualThoseOfTheStore()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var vm = await ThreePointsAsync(directory, replica);
        await using var remote = await ConnectAsync(replica);
        await using var local = new StorePastReader(ReplicaStore.OpenForReading(directory.Host("store"), ReplicaHost.Settings));
        var points = await remote.PointsAsync("vm", CancellationToken.None);
        Assert.That(points, Is.EqualTo(await local.PointsAsync("vm", CancellationToken.None)));
        Assert.That(points.Select(p => p.Sequence), Is.EqualTo(vm.Points.Select(p => p.Sequence)));
        foreach (var (sequence, disks) in vm.Points)
        {
            await using var theirs = await remote.OpenAsync("vm", $"{sequence}", CancellationToken.None);
            await using var ours = await local.OpenAsync("vm", $"{sequence}", CancellationToken.None);
            Assert.That(theirs.Point, Is.EqualTo(ours.Point));
            Assert.That(theirs.Disks, Is.EqualTo(ours.Disks));
            for (var i = 0; i < disks.Length; i++)
            {
                using var a = theirs.Open(theirs.Disks[i]);
                var b = ours.Open(ours.Disks[i]);
                PointChecker.RequireSame(PointChecker.Read(a), disks[i], $"disk {i} at {sequence} over the connection");
                PointChecker.RequireSame(PointChecker.Read(b), disks[i], $"disk {i} at {sequence} in the store");
                Assert.That(Joined(a), Is.EqualTo(Joined(b)));
                // Parts, at any byte.
                var random = new Random(i);
                for (var n = 0; n < 20; n++)
                {
                    var offset = random.Next(disks[i].Length);
                    var part = new byte[random.Next(1, disks[i].Length - offset + 1)];
                    a.Read(offset, part);
                    PointChecker.RequireSame(part, disks[i].AsSpan(offset, part.Length), "a part");
                }
            }
        }

        Assert.That(async () => await remote.OpenAsync("vm", "nothing", CancellationToken.None), Throws.InstanceOf<StoreException>());
        Assert.That(async () => await remote.OpenAsync("nobody", "latest", CancellationToken.None), Throws.InstanceOf<StoreException>());
    }

    [Test]
    public async Task Map_LongerThanOneAnswer_IsContinued()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        // Every other page: 20,000 runs of data and as many holes, and an answer holds 16,384.
        const int pages = 20_000;
        var disk = new DiskFile(directory, 1, "sda", pages * 2 * 4096L);
        using (var file = Blocks.Files.HostFile.Open(disk.Path, Blocks.Files.HostFileAccess.ReadWrite))
        {
            var page = new byte[4096];
            RandomNumberGenerator.Fill(page);
            for (var i = 0; i < pages; i++) file.Write(i * 8192L, page);
        }

        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), [disk]);
        await vm.Group.SyncAsync(CancellationToken.None);
        await using var remote = await ConnectAsync(replica);
        await using var view = await remote.OpenAsync("vm", "latest", CancellationToken.None);
        using var device = view.Open(view.Disks[0]);
        var map = Joined(device);
        Assert.That(map, Has.Count.EqualTo(2 * pages));
        Assert.That(map[^1].Offset + map[^1].Length, Is.EqualTo(device.Length));
    }

    [Test]
    public async Task View_WhileRoundsGoOn_DoesNotMove()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var vm = await ThreePointsAsync(directory, replica);
        await using var remote = await ConnectAsync(replica);
        await using var view = await remote.OpenAsync("vm", "latest", CancellationToken.None);
        using var device = view.Open(view.Disks[0]);
        var expected = vm.Points[^1].Disks[0];
        using var over = new CancellationTokenSource();
        var reading = Task.Run(() =>
        {
            var reads = 0;
            while (!over.IsCancellationRequested || reads < 3)
            {
                PointChecker.RequireSame(PointChecker.Read(device), expected, "a view moved");
                reads++;
            }
        });
        var random = new Random(9);
        for (var round = 0; round < 12; round++)
        {
            foreach (var disk in vm.Disks) Contents.Scribble(disk, random, 20);
            await vm.SyncAsync();
        }

        await over.CancelAsync();
        await reading;
        PointChecker.CheckViews(replica.Store, vm);
    }

    [Test]
    public async Task Request_GivenUpHalfWay_NeverMakesAnotherTakeItsAnswer()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var vm = await ThreePointsAsync(directory, replica);
        // A connection whose answers come late enough to give up on.
        var (source, served) = MemoryTransport.CreatePair();
        replica.Accept(served);
        var slow = new SlowTransport(source);
        await using var remote = await ReplicaPastReader.OpenAsync(new FramedConnection(slow), CancellationToken.None);
        slow.Delay = TimeSpan.FromMilliseconds(200);
        using var limit = new CancellationTokenSource();
        slow.Waiting = limit.Cancel;
        Assert.That(async () => await remote.OpenAsync("vm", $"{vm.Points[0].Sequence}", limit.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(async () => await remote.OpenAsync("vm", "latest", CancellationToken.None), Throws.InstanceOf<ConnectionLostException>(), "better no view than that of another point");
    }

    [Test]
    public async Task View_ConnectionGone_ClosesWithoutAWord()
    {
        using var directory = new TestDirectory();
        var replica = new ReplicaHost(directory.Host("store"));
        await ThreePointsAsync(directory, replica);
        await using var remote = await ConnectAsync(replica);
        var view = await remote.OpenAsync("vm", "latest", CancellationToken.None);
        using var device = view.Open(view.Disks[0]);
        await replica.DisposeAsync();
        Assert.That(() => PointChecker.Read(device), Throws.InstanceOf<IOException>());
        await view.DisposeAsync();
    }

    private static async Task<ProtectedVm> ThreePointsAsync(TestDirectory directory, ReplicaHost replica)
    {
        DiskFile[] disks = [new(directory, 1, "sda", (1 << 20) + 4608), new(directory, 2, "sdb", 128 << 10, 4096)];
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), disks);
        var random = new Random(5);
        for (var round = 0; round < 3; round++)
        {
            foreach (var disk in disks) Contents.Scribble(disk, random, 25);
            await vm.SyncAsync();
        }

        return vm;
    }

    private static async Task<ReplicaPastReader> ConnectAsync(ReplicaHost replica)
    {
        var (source, served) = MemoryTransport.CreatePair();
        replica.Accept(served);
        return await ReplicaPastReader.OpenAsync(new FramedConnection(source), CancellationToken.None);
    }

    /// <summary>The map with neighbours of one state joined.</summary>
    private static List<(long Offset, long Length, BlockState State)> Joined(IBlockDevice device)
    {
        var joined = new List<(long Offset, long Length, BlockState State)>();
        foreach (var run in device.Map(0, device.Length))
        {
            if (joined.Count > 0 && joined[^1].State == run.State && joined[^1].Offset + joined[^1].Length == run.Offset) joined[^1] = (joined[^1].Offset, joined[^1].Length + run.Length, run.State);
            else joined.Add((run.Offset, run.Length, run.State));
        }

        return joined;
    }
}
