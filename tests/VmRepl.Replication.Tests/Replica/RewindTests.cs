using System.Globalization;
using VmRepl.Blocks;
using VmRepl.Journal;
using VmRepl.Journal.Rewind;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Connections;
using VmRepl.Replication.Reading;
using VmRepl.Replication.Replica;
using VmRepl.Replication.Tests.Stage;

namespace VmRepl.Replication.Tests.Replica;

public class RewindTests
{
    [Test]
    public async Task Rewind_ThenSync_BringsTheReplicaToTheSourceAgain()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var vm = await ProtectAsync(directory, replica, rounds: 3);
        await using var reader = await OpenReaderAsync(vm);
        var costs = (await reader.RangeAsync("vm", default)).Points;
        Assert.That(costs.Select(c => c.RewindBytes), Is.EqualTo(new long[] { 3 * 8192, 2 * 8192, 8192, 0 }));

        var done = await reader.RewindAsync("vm", Sequence(vm, 0), null, default);
        Assert.That(done.Target.Sequence, Is.EqualTo(vm.Points[0].Sequence));
        Assert.That(done.Bytes, Is.EqualTo(3 * 8192));
        vm.Points.Add((done.Made.Sequence, vm.Points[0].Disks));
        PointChecker.CheckViews(replica.Store, vm);

        Assert.That(async () => await vm.Group.BookmarkAsync("named", default), Throws.TypeOf<ReplicationException>().With.Message.Contains("rewound").And.Property("Hint").Contains("sync"));
        var synced = await vm.SyncAsync();
        Assert.That(synced.ChangedBytes, Is.EqualTo(3 * 8192));
        PointChecker.CheckViews(replica.Store, vm);
        PointChecker.CheckJournal(directory, "store", vm);
        Assert.That((await vm.Group.BookmarkAsync("named", default)).Sequence, Is.EqualTo(synced.Sequence));
        Assert.That(replica.Log.Errors, Is.Empty);
    }

    [Test]
    public async Task Rewind_ThenSyncByARestartedSource_NumbersGoOnWithNamedGaps()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var vm = await ProtectAsync(directory, replica, rounds: 2);
        await RewindAsync(vm, Sequence(vm, 1));
        vm.Restart();
        await vm.SyncAsync();
        await RewindAsync(vm, Sequence(vm, 0));
        await vm.SyncAsync();
        PointChecker.CheckViews(replica.Store, vm);
        PointChecker.CheckJournal(directory, "store", vm);
    }

    [Test]
    public async Task Rewind_Metadata_IsTheSourcesAgainAfterTheNextRound()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var vm = await ProtectAsync(directory, replica, rounds: 0, ("kept", "1"), ("changed", "1"), ("removed", "1"));
        vm.Definition = vm.Definition with { Metadata = new Dictionary<string, string> { ["kept"] = "1", ["changed"] = "2", ["added"] = "1" } };
        vm.Restart();
        await vm.SyncAsync();
        await RewindAsync(vm, Sequence(vm, 0));
        Assert.That(Metadata(replica), Is.EqualTo("changed=1 kept=1 removed=1"));
        await vm.SyncAsync();
        Assert.That(Metadata(replica), Is.EqualTo("added=1 changed=2 kept=1"), "what the rewind brought back and the source has no more is gone again");
    }

    [Test]
    public async Task Rewind_WhileTheLinkOfARoundIsDown_RoundBeginsAnew()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"), new ReplicaOptions { RewindWait = TimeSpan.FromSeconds(10) });
        var vm = await ProtectAsync(directory, replica, rounds: 2);
        foreach (var disk in vm.Disks) disk.Fill(0, 32 << 10, new Random(5));
        var before = vm.Connector.Connections;
        vm.Connector.Wrap = (n, inner) =>
        {
            // The round's first connection is cut when most of its records are out; before the second, the replica is rewound: it gives out the numbers that are under way.
            if (n == before + 1) return new CuttingTransport(inner, 24 << 10, long.MaxValue);
            if (n == before + 2)
            {
                replica.DrainAsync().GetAwaiter().GetResult();
                RewindInStore(replica, vm.Points[0].Sequence);
            }

            return inner;
        };
        await vm.SyncAsync();
        Assert.That(vm.Connector.Connections, Is.GreaterThanOrEqualTo(before + 3), "cut, found out, begun anew");
        var group = replica.Store.Get("vm");
        var made = group.Journal.Points[^2].Sequence;
        vm.Points.Insert(vm.Points.Count - 1, (made, vm.Points[0].Disks));
        PointChecker.CheckViews(replica.Store, vm);
    }

    [Test]
    public async Task Rewind_WhileARoundRuns_IsRefusedAndTheRoundEndsWell()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"), new ReplicaOptions { RewindWait = TimeSpan.Zero });
        var vm = await ProtectAsync(directory, replica, rounds: 1);
        Exception? refused = null;
        var before = vm.Connector.Connections;
        vm.Connector.Wrap = (n, inner) => n == before + 1 ? new PausingTransport(inner, async () => refused = await CatchAsync(() => RewindAsync(vm, Sequence(vm, 0)))) : inner;
        vm.Disks[0].Fill(0, 4096, new Random(9));
        await vm.SyncAsync();
        Assert.That(refused, Is.TypeOf<ReplicationException>().With.Message.Contains("being replicated").And.Property("IsRefusal").True);
        PointChecker.CheckViews(replica.Store, vm);
    }

    [Test]
    public async Task Session_WhileTheGroupIsRewound_IsRefusedBusyAndWorksAfterwards()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var vm = await ProtectAsync(directory, replica, rounds: 1);
        Assert.That(await replica.Site.TryBeginRewindAsync("vm", default), Is.True);
        Assert.That(async () => await vm.Group.SyncAsync(default), Throws.TypeOf<ReplicationException>().With.Message.Contains("being rewound").And.Property("Hint").Not.Empty);
        replica.Site.EndRewind("vm");
        await vm.SyncAsync();
        PointChecker.CheckViews(replica.Store, vm);
    }

    [Test]
    public async Task Rewind_UnknownGroupOrPoint_IsToldAndTheSessionGoesOn()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var vm = await ProtectAsync(directory, replica, rounds: 1);
        await using var reader = await OpenReaderAsync(vm);
        Assert.That(async () => await reader.RewindAsync("other", "latest", null, default), Throws.TypeOf<StoreException>().With.Message.Contains("other"));
        Assert.That(async () => await reader.RewindAsync("vm", "nowhere", null, default), Throws.TypeOf<StoreException>().With.Message.Contains("nowhere"));
        Assert.That(await reader.PointsAsync("vm", default), Has.Count.EqualTo(2), "nothing was made");
        Assert.That(replica.Store.Get("vm").Journal.ResyncIsOpen, Is.False);
    }

    [Test]
    public async Task Rewind_PeerGoesAway_GoesOnToItsEnd()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var vm = await ProtectAsync(directory, replica, rounds: 2);
        var before = replica.Store.Get("vm").Journal.Points;
        await using (var connection = new FramedConnection(await vm.Connector.ConnectTransportAsync(default)))
        {
            await Handshake.GreetAsync(connection, new(1, 1, ["rewind"], Guid.Empty, "test", Protocol.Messages.Hello.ReadOnly), default);
            await connection.SendAsync(new Protocol.Messages.RewindGroup("vm", Sequence(vm, 0)), default);
        }

        await replica.DrainAsync();
        var points = replica.Store.Get("vm").Journal.Points;
        Assert.That(points, Has.Count.EqualTo(before.Count + 1));
        vm.Points.Add((points[^1].Sequence, vm.Points[0].Disks));
        PointChecker.CheckViews(replica.Store, vm);
    }

    private static async Task<ProtectedVm> ProtectAsync(TestDirectory directory, ReplicaHost replica, int rounds, params (string Key, string Value)[] metadata)
    {
        var random = new Random(1);
        DiskFile[] disks = [new(directory, 1, "sda", 256 << 10), new(directory, 2, "sdb", 64 << 10)];
        foreach (var disk in disks) disk.Fill(8192, 16 << 10, random);
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), disks);
        vm.Definition = vm.Definition with { Metadata = metadata.ToDictionary(m => m.Key, m => m.Value) };
        vm.Restart();
        await vm.SyncAsync();
        for (var round = 0; round < rounds; round++)
        {
            foreach (var disk in disks) disk.Fill((round + 3) * 4096, 4096, random);
            await vm.SyncAsync();
        }

        return vm;
    }

    private static async Task<ReplicaPastReader> OpenReaderAsync(ProtectedVm vm) =>
        await ReplicaPastReader.OpenAsync(new FramedConnection(await vm.Connector.ConnectTransportAsync(default)), default);

    private static async Task<RewindResult> RewindAsync(ProtectedVm vm, string to)
    {
        await using var reader = await OpenReaderAsync(vm);
        var done = await reader.RewindAsync("vm", to, null, default);
        vm.Points.Add((done.Made.Sequence, vm.Points.First(p => p.Sequence == done.Target.Sequence).Disks));
        return done;
    }

    private static void RewindInStore(ReplicaHost replica, ulong to)
    {
        var group = replica.Store.Get("vm");
        using var rewind = GroupRewind.Begin(group, group.FindPoint(to.ToString(CultureInfo.InvariantCulture)));
        rewind.Run(null, default);
    }

    private static string Metadata(ReplicaHost replica)
    {
        var group = replica.Store.Get("vm");
        return string.Join(' ', group.Journal.MetadataAt(group.Journal.Position.Durable).OrderBy(m => m.Key, StringComparer.Ordinal).Select(m => $"{m.Key}={System.Text.Encoding.UTF8.GetString(m.Value)}"));
    }

    private static string Sequence(ProtectedVm vm, int point) => vm.Points[point].Sequence.ToString(CultureInfo.InvariantCulture);

    private static async Task<Exception?> CatchAsync(Func<Task> action)
    {
        try
        {
            await action();
            return null;
        }
        catch (Exception e)
        {
            return e;
        }
    }

    /// <summary>Does something before it receives for the fourth time, when a session is well under way.</summary>
    private sealed class PausingTransport(ITransport inner, Func<Task> pause) : ITransport
    {
        private int receives;

        public string Peer => inner.Peer;

        public async ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellation)
        {
            var count = await inner.ReceiveAsync(buffer, cancellation);
            if (Interlocked.Increment(ref receives) == 4) await pause();
            return count;
        }

        public ValueTask SendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation) => inner.SendAsync(data, cancellation);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
