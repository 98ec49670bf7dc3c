using VmRepl.Protocol.Connections;
using VmRepl.Replication.Source;
using VmRepl.Replication.Tests.Stage;

namespace VmRepl.Replication.Tests.Replica;

/// <summary>Either side goes away in the middle and comes back with what it had on disk, or with less.</summary>
[Parallelizable(ParallelScope.All)]
public class RestartTests
{
    [Test]
    public async Task Baseline_ReplicaKilledInTheMiddle_BeginsAnewAndIsWhole() => await KillReplicaAsync(isRound: false);

    [Test]
    public async Task Round_ReplicaKilledInTheMiddle_GoesOn() => await KillReplicaAsync(isRound: true);

    [Test]
    public async Task Round_StoreRestoredFromOlderCopy_IsFoundOutAndPointsAreRight()
    {
        using var directory = new TestDirectory();
        var disks = Disks(directory);
        var replica = new ReplicaHost(directory.Host("store"));
        var vm = new ProtectedVm(directory, new MemoryConnector(t => replica.Accept(t)), disks);
        await vm.SyncAsync();
        await replica.StopAsync();
        directory.CopyTree("store", "old");
        replica.Open(directory.Host("store"));
        Contents.Scribble(disks[0], new Random(2), 10);
        await vm.SyncAsync();
        await replica.StopAsync();
        replica.Store.Dispose();

        // The second point is lost with the store that had it; what is left is whole, and the next round brings what is missing.
        vm.Points.RemoveAt(1);
        replica.Open(directory.Host("old"));
        Contents.Scribble(disks[1], new Random(3), 10);
        var result = await vm.SyncAsync();
        Assert.That(result.WasBaseline, Is.False);
        PointChecker.CheckViews(replica.Store, vm);
        PointChecker.CheckJournal(directory, "old", vm);
        await replica.DisposeAsync();
    }

    [Test]
    public async Task Round_StoreFallsBackInTheMiddle_RestartsByDigests()
    {
        using var directory = new TestDirectory();
        var disks = Disks(directory);
        var replica = new ReplicaHost(directory.Host("store"));
        var connector = new MemoryConnector(t => replica.Accept(t));
        var vm = new ProtectedVm(directory, connector, disks);
        await vm.SyncAsync();
        await replica.StopAsync();
        replica.Store.Dispose();
        directory.CopyTree("store", "old");
        replica.Open(directory.Host("store"));
        disks[0].Fill(0, 128 << 10, new Random(2));

        // The line of the round goes dead in the middle; when some of it is durable the replica stops, and what comes up after it is the older copy.
        connector.Wrap = (n, inner) => n == 2 ? new StallingTransport(inner, 6_000) : inner;
        var syncing = vm.SyncAsync();
        while (replica.Store.Get("vm").Journal.Position.Durable == vm.Points[0].Sequence) await Task.Delay(1);
        await replica.StopAsync();
        Assert.That(syncing.IsCompleted, Is.False);
        replica.Store.Dispose();
        replica.Open(directory.Host("old"));
        await syncing;
        PointChecker.CheckViews(replica.Store, vm);
        PointChecker.CheckJournal(directory, "old", vm);
        await replica.DisposeAsync();
    }

    [Test]
    public async Task Round_SourceRestartedInTheMiddle_NamesTheGap()
    {
        using var directory = new TestDirectory();
        var disks = Disks(directory);
        await using var replica = new ReplicaHost(directory.Host("store"));
        var connector = new MemoryConnector(replica.Accept);
        var vm = new ProtectedVm(directory, connector, disks);
        await vm.SyncAsync();
        Contents.Scribble(disks[0], new Random(2), 10);
        connector.Wrap = (n, inner) => new CuttingTransport(inner, n == 2 ? 15_000 : 0, long.MaxValue);
        using (var killed = new CancellationTokenSource())
        {
            var syncing = vm.SyncAsync(killed.Token);
            while (connector.Connections < 3) await Task.Delay(1);
            await killed.CancelAsync();
            Assert.That(async () => await syncing, Throws.InstanceOf<OperationCanceledException>());
        }

        connector.Wrap = static (_, inner) => inner;
        vm.Restart();
        Assert.That(vm.Group.RoundIsOpen, Is.True, "a round that was cut off is taken up again by the agent");
        await vm.SyncAsync();
        vm.Restart();
        var bookmarked = await vm.Group.BookmarkAsync("after-restart", CancellationToken.None);
        Contents.Scribble(disks[1], new Random(3), 3);
        await vm.SyncAsync();
        Assert.That(bookmarked.Sequence, Is.EqualTo(vm.Points[1].Sequence));
        PointChecker.CheckViews(replica.Store, vm);
        PointChecker.CheckJournal(directory, "store", vm);
    }

    [Test]
    public async Task Metadata_BroughtByARoundThatFailed_IsNotTakenForTheNextPoints()
    {
        using var directory = new TestDirectory();
        var disks = Disks(directory);
        await using var replica = new ReplicaHost(directory.Host("store"));
        var connector = new MemoryConnector(replica.Accept);
        var vm = new ProtectedVm(directory, connector, disks);
        var first = new Dictionary<string, string> { ["name"] = "web" };
        vm.Definition = vm.Definition with { Metadata = first };
        vm.Restart();
        await vm.SyncAsync();

        // The round that changes the value is lost between the value and its end: the value alone is durable.
        vm.Definition = vm.Definition with { Metadata = new Dictionary<string, string> { ["name"] = new('x', 3000), ["note"] = "only then" } };
        vm.Restart();
        CountingTransport? counted = null;
        connector.Wrap = (_, inner) => counted = new CountingTransport(inner);
        var link = new ReplicaLink(connector, new Protocol.Messages.OpenGroup("vm", vm.SourceId, 1, [.. disks.Select(d => new Protocol.Messages.DiskDeclaration(d.Disk.Id, d.Disk.Name, d.Disk.Length, 512, "raw"))], false), ProtectedVm.Quick, TimeProvider.System, vm.Log);
        await link.OpenAsync(CancellationToken.None);
        var stream = new RecordStream(link, Numbers(directory, link.Durable), TimeProvider.System, 1, 0);
        await stream.SendAsync([new RecordDraft(Protocol.Records.RecordKind.ResyncBegin, 0, 0, 0, default), Value("name", "bad")], isBaseline: false, CancellationToken.None);
        await link.WaitDurableAsync(stream.Last, CancellationToken.None);
        await link.DisposeAsync();
        Assert.That(counted!.Sent, Is.Positive);

        vm.Definition = vm.Definition with { Metadata = first };
        vm.Restart();
        await vm.SyncAsync();
        using var view = replica.Store.Get("vm").OpenView(replica.Store.Get("vm").FindPoint("latest"));
        Assert.That(view.Metadata.ToDictionary(m => m.Key, m => System.Text.Encoding.UTF8.GetString(m.Value)), Is.EqualTo(first));

        static RecordDraft Value(string key, string value) => new(Protocol.Records.RecordKind.Metadata, 0, 0, 0, System.Text.Encoding.UTF8.GetBytes(value),
            new Dictionary<string, string> { [Journal.Points.RecordAttribute.Key] = key });
    }

    private static SequenceReserve Numbers(TestDirectory directory, ulong after)
    {
        directory.Host("numbers").Create();
        var numbers = new SequenceReserve(directory.Host("numbers"));
        numbers.AdvanceTo(after);
        return numbers;
    }

    private static async Task KillReplicaAsync(bool isRound)
    {
        for (var seed = 1; seed <= 12; seed++)
        {
            using var directory = new TestDirectory();
            var disks = Disks(directory);
            var replica = new ReplicaHost(directory.Host("store0"));
            var connector = new MemoryConnector(t => replica.Accept(t));
            var vm = new ProtectedVm(directory, connector, disks);
            if (isRound)
            {
                await vm.SyncAsync();
                Contents.Scribble(disks[0], new Random(seed), 30);
            }

            // So many bytes into it the replica is killed: what is on disk at that moment is what the next one opens.
            var before = connector.Connections;
            CuttingTransport? cutting = null;
            connector.Wrap = (n, inner) => n == before + 1 ? cutting = new CuttingTransport(inner, 3_000 * seed, long.MaxValue) : inner;
            var syncing = vm.SyncAsync();
            while (cutting is not { IsCut: true } && !syncing.IsCompleted) await Task.Delay(1);
            await replica.StopAsync();
            directory.CopyTree("store0", "store1");
            replica.Store.Dispose();
            replica.Open(directory.Host("store1"));
            await syncing;
            PointChecker.CheckViews(replica.Store, vm);
            PointChecker.CheckJournal(directory, "store1", vm);
            Assert.That(replica.Store.Identity.Incarnation, Is.EqualTo(2));
            await replica.DisposeAsync();
        }
    }

    private static DiskFile[] Disks(TestDirectory directory)
    {
        DiskFile[] disks = [new(directory, 1, "sda", 256 << 10), new(directory, 2, "sdb", (64 << 10) + 1536)];
        foreach (var disk in disks) Contents.Scribble(disk, new Random(1), 15);
        return disks;
    }
}
