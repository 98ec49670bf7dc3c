using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Images;
using VmRepl.Protocol.Messages;
using VmRepl.Replication.Digests;
using VmRepl.Replication.Source;
using VmRepl.Replication.Tests.Stage;

namespace VmRepl.Replication.Tests.Source;

/// <summary>After a round the replica's live image is the source, and only what differed was sent.</summary>
[Parallelizable(ParallelScope.All)]
public class RegionComparisonTests
{
    [Test]
    public async Task Rounds_RandomContents_LiveImageFollowsWithItsHoles([Range(1, 12)] int seed)
    {
        var random = new Random(seed);
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        // Lengths that end inside a region, a block of 64 KiB, a leaf, a page.
        long[] lengths = [512, 4608, (64 << 10) + 512, (1 << 20) - 1024, (1 << 20) + 4096, (3 << 20) + 66_048, 2 << 20];
        DiskFile[] disks =
        [
            new(directory, 1, "sda", lengths[random.Next(lengths.Length)]),
            new(directory, 2, "sdb", (2 << 20) + (64 << 10) + 512),
            new(directory, 3, "sdc", (1 << 20) + (12 << 10), 4096),
        ];
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), disks);
        for (var round = 0; round < 5; round++)
        {
            foreach (var disk in disks) Contents.Scribble(disk, random, random.Next(0, 40));
            if (round == 3) disks[1].Punch(0, 1 << 20);
            if (round == 4) disks[1].Fill(random.Next(0, 1000) * 512, 1 << 20, random);
            await vm.SyncAsync();
            foreach (var disk in disks) CheckHoles(disk, replica.Store.Get("vm").Live[disk.Disk.Id]);
        }

        PointChecker.CheckViews(replica.Store, vm);
        PointChecker.CheckJournal(directory, "store", vm);
    }

    [Test]
    public async Task Round_NothingChanged_SendsRootsOnly()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var disk = new DiskFile(directory, 1, "sda", 16 << 20);
        disk.Fill(0, 8 << 20, new Random(1));
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), [disk]);
        var baseline = await vm.SyncAsync();
        var again = await vm.SyncAsync();
        Assert.Multiple(() =>
        {
            Assert.That(baseline.WasBaseline, Is.True);
            Assert.That(baseline.ChangedBytes, Is.EqualTo(8 << 20));
            Assert.That(baseline.BytesSent, Is.GreaterThan(8 << 20).And.LessThan((8 << 20) + (64 << 10)));
            Assert.That(baseline.DigestBytesSent, Is.Zero, "where the replica has nothing, nothing is compared");
            Assert.That(again.WasBaseline, Is.False);
            Assert.That(again.ChangedBytes, Is.Zero);
            Assert.That(again.DigestBytesSent, Is.Positive.And.LessThan(8 * 64), "one digest for each region");
            Assert.That(again.BytesSent, Is.LessThan(2048));
        });
    }

    [Test]
    public async Task Round_LargeHole_IsSentInSmallRecordsOfFewBytes()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var disk = new DiskFile(directory, 1, "sda", 66 << 20);
        disk.Fill(0, 66 << 20, new Random(1));
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), [disk]);
        await vm.SyncAsync();
        var before = vm.Points[^1].Sequence;
        disk.Punch(1 << 20, 64 << 20);
        var round = await vm.SyncAsync();
        Assert.That(round.ChangedBytes, Is.EqualTo(64 << 20));
        Assert.That(round.BytesSent, Is.LessThan(2048 + (64 * 64)), "64 KiB for each GiB, and what a round says anyway");
        Assert.That(vm.Points[^1].Sequence - before, Is.EqualTo(2 + 16), "begin, end, and a record for each 4 MiB");
        CheckHoles(disk, replica.Store.Get("vm").Live[1]);
        PointChecker.CheckViews(replica.Store, vm);
    }

    [Test]
    public async Task Round_ChangeWithItsTimeSetBack_IsFound()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var disk = new DiskFile(directory, 1, "sda", 2 << 20);
        disk.Fill(0, 2 << 20, new Random(1));
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), [disk]);
        await vm.SyncAsync();
        var before = File.GetLastWriteTimeUtc(disk.Path);
        disk.Fill((1 << 20) + 512, 512, new Random(2));
        File.SetLastWriteTimeUtc(disk.Path, before);
        var result = await vm.SyncAsync();
        Assert.That(result.ChangedBytes, Is.EqualTo(4096));
        PointChecker.CheckViews(replica.Store, vm);
    }

    [Test]
    public async Task Round_SourceCannotBeRead_FailsInOneSentenceAndTheNextIsFine()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var disk = new DiskFile(directory, 1, "sda", 8 << 20);
        disk.Fill(0, 8 << 20, new Random(1));
        var connector = new MemoryConnector(replica.Accept);
        var vm = new ProtectedVm(directory, connector, [disk]);
        await vm.SyncAsync();
        disk.Fill(5 << 20, 4096, new Random(2));

        // The comparison as a round runs it, over an image that fails like a disk with a bad sector.
        for (var failingAt = 0L; failingAt < disk.Disk.Length; failingAt += 1 << 20)
        {
            var link = new ReplicaLink(connector, Opening(vm, disk), ProtectedVm.Quick, TimeProvider.System, vm.Log);
            await using var closing = link;
            await link.OpenAsync(CancellationToken.None);
            directory.Host("numbers").Create();
            var numbers = new SequenceReserve(directory.Host("numbers"));
            numbers.AdvanceTo(link.Durable);
            var stream = new RecordStream(link, numbers, TimeProvider.System, 1, 0);
            await stream.SendAsync([new RecordDraft(Protocol.Records.RecordKind.ResyncBegin, 0, 0, 0, default, numbers.GapAfter(link.Durable))], isBaseline: false, CancellationToken.None);
            using var image = new FailingImage(DiskImages.Open(disk.Path), failingAt);
            using var digest = new BlockDigest(link.StoreId, vm.SourceId);
            var running = new RegionComparison(disk.Disk, image, link, stream, digest, false, new RoundProgress()).RunAsync(CancellationToken.None);
            var error = Assert.ThrowsAsync<IOException>(async () => await running.WaitAsync(TimeSpan.FromSeconds(10)));
            Assert.That(error!.Message, Does.Contain("Input/output error"), "the reason, and not that the rest was called off");
        }

        Assert.That(replica.Store.Get("vm").Journal.Points, Has.Count.EqualTo(1), "no point of a round that failed");
        await vm.SyncAsync();
        PointChecker.CheckViews(replica.Store, vm);
        PointChecker.CheckJournal(directory, "store", vm);
    }

    [Test]
    public async Task Round_SourceFileCutShort_NamesGroupAndCauseAndTheNextIsFine()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var disk = new DiskFile(directory, 1, "sda", 2 << 20);
        disk.Fill(0, 1 << 20, new Random(1));
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), [disk]);
        await vm.SyncAsync();
        using (var file = HostFile.Open(disk.Path, HostFileAccess.ReadWrite)) file.SetLength(1 << 20);
        var error = Assert.ThrowsAsync<ReplicationException>(async () => await vm.SyncAsync());
        Assert.That(error!.Message, Does.Contain("group vm").And.Contain("sda").And.Contain("1048576"));
        Assert.That(error.Hint, Is.Not.Empty);
        using (var file = HostFile.Open(disk.Path, HostFileAccess.ReadWrite)) file.SetLength(2 << 20);
        await vm.SyncAsync();
        PointChecker.CheckViews(replica.Store, vm);
    }

    [Test]
    public async Task Round_FileWrittenMeanwhile_MakesNoPoint()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var disk = new DiskFile(directory, 1, "sda", 2 << 20);
        disk.Fill(0, 1 << 20, new Random(1));
        var connector = new MemoryConnector(replica.Accept);
        var vm = new ProtectedVm(directory, connector, [disk]);
        await vm.SyncAsync();
        connector.Wrap = (_, inner) =>
        {
            // When the round connects, the file has been looked at.
            Thread.Sleep(20);
            disk.Fill(0, 512, new Random(2));
            return inner;
        };
        var error = Assert.ThrowsAsync<ReplicationException>(async () => await vm.SyncAsync());
        Assert.That(error!.Message, Does.Contain("group vm").And.Contain("changed during the round"));
        Assert.That(replica.Store.Get("vm").Journal.Points, Has.Count.EqualTo(1));
        connector.Wrap = static (_, inner) => inner;
        await vm.SyncAsync();
        PointChecker.CheckViews(replica.Store, vm);
        PointChecker.CheckJournal(directory, "store", vm);
    }

    [Test]
    public async Task Round_DefinitionIsNoRegularFile_IsRefusedWithoutWaiting([Values("/dev/zero", "directory", "missing")] string kind)
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var disk = new DiskFile(directory, 1, "sda", 64 << 10);
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), [disk]);
        vm.Definition = vm.Definition with { DefinitionFile = kind switch { "directory" => directory.Path, "missing" => directory.File("missing.xml"), _ => kind } };
        vm.Restart();
        var error = Assert.ThrowsAsync<ReplicationException>(async () => await vm.SyncAsync());
        Assert.That(error!.Message, Does.Contain("group vm").And.Contain("definition"));
    }

    private static OpenGroup Opening(ProtectedVm vm, DiskFile disk) =>
        new("vm", vm.SourceId, 1, [new DiskDeclaration(disk.Disk.Id, disk.Disk.Name, disk.Disk.Length, 512, "raw")], Create: false);

    /// <summary>Where the source has holes of whole pages, outside every region that it has data in, the replica has none allocated either; inside, what was never written is none.</summary>
    private static void CheckHoles(DiskFile disk, IBlockDevice live)
    {
        using var image = DiskImages.Open(disk.Path, new() { Format = ImageFormat.Raw });
        var source = new ExtentSet(image.Map(0, image.Length).Where(r => r.HasData).Select(r => r.Extent));
        foreach (var run in live.Map(0, live.Length).Where(r => r.HasData))
        {
            foreach (var only in source.Gaps(run.Extent))
            {
                var page = new Extent(Sectors.AlignUp(only.Offset, 4096), 0).Offset;
                Assert.That(page + 4096, Is.GreaterThan(only.End), $"{disk.Disk.Name}: the replica has {only} allocated, the source has a hole there");
            }
        }
    }
}
