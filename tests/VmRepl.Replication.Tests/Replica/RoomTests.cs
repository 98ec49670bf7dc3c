using System.Globalization;
using VmRepl.Journal;
using VmRepl.Journal.Views;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Records;
using VmRepl.Replication.Reading;
using VmRepl.Replication.Replica;
using VmRepl.Replication.Tests.Stage;

namespace VmRepl.Replication.Tests.Replica;

/// <summary>A replica at its hard limits: views give way, then the source waits; no point is lost for it.</summary>
public class RoomTests
{
    private const long DiskBytes = 16 << 20;

    private static readonly JournalOptions Small = new() { SegmentBytes = 2 << 20, CapacityBytes = 8 << 20, FreeBytesMin = 0 };
    private static readonly JournalOptions Large = Small with { CapacityBytes = 128 << 20 };
    private static readonly ReplicaOptions Quick = new() { RoomPoll = TimeSpan.FromMilliseconds(5) };

    [Test]
    public async Task Sync_RoundLargerThanTheCapacity_WaitsAndGoesOnWhenTheReplicaHasMore()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"), Quick, Small);
        var vm = await ProtectAsync(directory, replica);
        vm.Disks[0].Fill(0, (int)DiskBytes - 4096, new Random(2));
        var round = vm.SyncAsync();
        await UntilAsync(() => vm.Group.Status.Waiting is not null);
        Assert.That(vm.Group.Status.Waiting, Does.Contain("waiting for room at the replica").And.Contain($"{Small.CapacityBytes} bytes"));
        var group = replica.Store.Get("vm");
        Assert.That(group.Journal.ResyncIsOpen, Is.True);
        Assert.That(group.Journal.Position.Durable, Is.GreaterThan(vm.Points[^1].Sequence), "what fitted was taken");
        Assert.That(group.Journal.SegmentBytes, Is.LessThanOrEqualTo(Small.CapacityBytes));
        await Task.Delay(100);
        Assert.That(round.IsCompleted, Is.False);
        CheckPoints(replica, vm);

        await replica.StopAsync();
        replica.Store.Dispose();
        replica.StoreSettings = ReplicaHost.Settings with { Journal = Large };
        replica.Open(directory.Host("store"));
        await round;
        Assert.That(vm.Group.Status.Waiting, Is.Null);
        PointChecker.CheckViews(replica.Store, vm);
        PointChecker.CheckJournal(directory, "store", vm);
        Assert.That(replica.Log.Errors, Is.Empty);
    }

    /// <summary>A hole larger than the capacity: its undo is all that was there. It comes in pieces, so that what fits is taken.</summary>
    [Test]
    public async Task Sync_HoleLargerThanTheCapacity_IsTakenInPiecesAndGoesBackWithItsContents()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"), Quick, Small);
        var disk = new DiskFile(directory, 1, "sda", DiskBytes);
        disk.Fill(0, (int)DiskBytes, new Random(1));
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), [disk]);
        await vm.SyncAsync();
        var before = vm.Points[^1].Sequence;
        var group = replica.Store.Get("vm");
        disk.Punch(1 << 20, 12 << 20);
        var round = vm.SyncAsync();
        await UntilAsync(() => vm.Group.Status.Waiting is not null);
        Assert.That(group.Journal.Counters.UndoBytes, Is.InRange(4 << 20, 8 << 20), "the first piece was taken, its old contents kept");
        Assert.That(Data(group.Live[1]), Is.LessThanOrEqualTo(DiskBytes - (4 << 20)), "and its space given back");

        await replica.StopAsync();
        replica.Store.Dispose();
        replica.StoreSettings = ReplicaHost.Settings with { Journal = Large };
        replica.Open(directory.Host("store"));
        await round;
        group = replica.Store.Get("vm");
        Assert.That(Data(group.Live[1]), Is.EqualTo(4 << 20));
        using (var view = group.OpenView(group.FindPoint(before.ToString(CultureInfo.InvariantCulture)))) Assert.That(Data(view.Disks[1]), Is.EqualTo(DiskBytes), "unpunched: allocated as it was");
        PointChecker.CheckViews(replica.Store, vm);
        PointChecker.CheckJournal(directory, "store", vm);

        static long Data(Blocks.IBlockDevice device) => device.Map(0, device.Length).Where(r => r.HasData).Sum(r => r.Length);
    }

    [Test]
    public async Task Sync_NoRoomUntilTheDeadline_EndsWithTheReasonAndTheNextRoundGoesOn()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"), Quick, Small);
        var vm = await ProtectAsync(directory, replica, RoomFor(TimeSpan.FromMilliseconds(300)));
        vm.Disks[0].Fill(0, (int)DiskBytes - 4096, new Random(2));
        var failed = Assert.ThrowsAsync<ReplicationException>(() => vm.SyncAsync())!;
        Assert.That(failed.Message, Does.Contain("group vm").And.Contain("no room").And.Contain($"{Small.CapacityBytes} bytes"));
        Assert.That(failed.Hint, Does.Contain("--journal-capacity"));
        Assert.That(vm.Group.Status.Waiting, Is.Null);
        await replica.DrainAsync();
        Assert.That(replica.Store.Get("vm").Journal.ResyncIsOpen, Is.True, "the round stays open");
        CheckPoints(replica, vm);
        // Again: what is there already is not sent once more, and there is no room still.
        Assert.ThrowsAsync<ReplicationException>(() => vm.SyncAsync());
        CheckPoints(replica, vm);

        await replica.StopAsync();
        replica.Store.Dispose();
        replica.StoreSettings = ReplicaHost.Settings with { Journal = Large };
        replica.Open(directory.Host("store"));
        await vm.SyncAsync();
        PointChecker.CheckViews(replica.Store, vm);
    }

    [Test]
    public async Task Baseline_VolumeAtItsReserve_WaitsAndGoesOn()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"), Quick, Small with { FreeBytesMin = long.MaxValue / 4 });
        var disk = new DiskFile(directory, 1, "sda", DiskBytes);
        disk.Fill(0, 1 << 20, new Random(1));
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), [disk]);
        var round = vm.SyncAsync();
        await UntilAsync(() => vm.Group.Status.Waiting is not null);
        Assert.That(vm.Group.Status.Waiting, Does.Contain("kept in reserve"));
        await replica.StopAsync();
        replica.Store.Dispose();
        replica.StoreSettings = ReplicaHost.Settings with { Journal = Small };
        replica.Open(directory.Host("store"));
        await round;
        PointChecker.CheckViews(replica.Store, vm);
    }

    [Test]
    public async Task View_OfWhatHasToBeRetired_EndsInOneTypedErrorForItsReaderAndOthersGoOn()
    {
        using var directory = new TestDirectory();
        var told = new List<string>();
        await using var replica = new ReplicaHost(directory.Host("store"), Quick, Small);
        await replica.StopAsync();
        replica.Store.Dispose();
        replica.StoreSettings = replica.StoreSettings with { Notice = (group, sentence) => told.Add($"{group}: {sentence}") };
        replica.Open(directory.Host("store"));
        var vm = await ProtectAsync(directory, replica);
        await using var reader = await ReplicaPastReader.OpenAsync(new FramedConnection(await vm.Connector.ConnectTransportAsync(default)), default);
        var first = vm.Points[0];
        var view = await reader.OpenAsync("vm", first.Sequence.ToString(CultureInfo.InvariantCulture), default);
        var device = view.Open(view.Disks[0]);
        PointChecker.RequireSame(PointChecker.Read(device), first.Disks[0], "before");
        for (var round = 0; round < 8; round++)
        {
            vm.Disks[0].Fill(round << 20, 1 << 20, new Random(round));
            await vm.SyncAsync();
        }

        Assert.That(replica.Store.Get("vm").Journal.Counters.ViewsClosed, Is.EqualTo(1));
        var closed = Assert.Throws<ViewClosedException>(() => PointChecker.Read(device))!;
        Assert.That(closed.Message, Does.Contain("group vm").And.Contain($"point {first.Sequence}").And.Contain($"{Small.CapacityBytes} bytes"));
        Assert.That(closed.Hint, Does.Contain("vmrepl points vm"));
        Assert.Throws<ViewClosedException>(() => device.Map(0, 4096).ToList());
        Assert.That(told, Has.Some.Contains($"vm: the view of point {first.Sequence} was closed"));
        await view.DisposeAsync();
        // The connection is as good as before.
        await using var again = await reader.OpenAsync("vm", "latest", default);
        PointChecker.RequireSame(PointChecker.Read(again.Open(again.Disks[0])), vm.Points[^1].Disks[0], "a newer point");
    }

    [Test]
    public async Task Session_PeerThatDoesNotKnowOfWaiting_IsToldThatThereIsNoRoom()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"), Quick, Small with { FreeBytesMin = long.MaxValue / 4 });
        await using var peer = await RawPeer.ConnectAsync(replica);
        await peer.AskAsync<GroupState>(RawPeer.Opening());
        await peer.Connection.SendAsync(new BaselineBatch(0, [RawPeer.Write(1)]));
        Assert.That((await peer.ReceiveAsync<Failure>()).Code, Is.EqualTo(RefusalCode.NoSpace));
    }

    /// <summary>No retirement makes room for it, so nobody waits.</summary>
    [TestCase(12 << 20, false)]
    [TestCase(4 << 20, true)]
    public async Task Session_PunchThatNeedsMoreThanTheCapacity_IsRefusedAtOnceByName(long punchBytes, bool isTaken)
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"), Quick, Small);
        await using var peer = await RawPeer.ConnectAsync(replica, capabilities: NoRoom.Capability);
        await peer.AskAsync<GroupState>(RawPeer.Opening(length: DiskBytes));
        await peer.Connection.SendAsync(new BaselineBatch(0, [RawPeer.Write(1, 0, (int)DiskBytes)]));
        await peer.Connection.SendAsync(new RecordBatch(0, 1, [RawPeer.Fact(RecordKind.ResyncEnd, 2)]));
        while ((await peer.ReceiveAsync<Ack>()).Durable < 2)
        {
        }

        await peer.Connection.SendAsync(new RecordBatch(0, 2, [RawPeer.Punch(3, 0, punchBytes)]));
        var answer = await peer.NextAsync();
        while (answer is Ack { Durable: < 3 }) answer = await peer.NextAsync();
        if (isTaken)
        {
            Assert.That(answer, Is.InstanceOf<Ack>(), $"{answer}");
            return;
        }

        Assert.That(answer, Is.InstanceOf<Failure>(), $"{answer}");
        Assert.That(((Failure)answer!).Code, Is.EqualTo(RefusalCode.NoSpace));
        Assert.That(((Failure)answer).Message, Does.Contain($"Punch record 3 (disk 1, {punchBytes} bytes at 0)").And.Contain($"{Small.CapacityBytes}"));
        Assert.That(replica.Store.Get("vm").Journal.Position.Durable, Is.EqualTo(2), "nothing was taken");
    }

    private static VmRepl.Replication.Source.LinkOptions RoomFor(TimeSpan time) => ProtectedVm.Quick with { RoomFor = time };

    private static async Task<ProtectedVm> ProtectAsync(TestDirectory directory, ReplicaHost replica, VmRepl.Replication.Source.LinkOptions? options = null)
    {
        var disk = new DiskFile(directory, 1, "sda", DiskBytes);
        disk.Fill(0, 1 << 20, new Random(1));
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), [disk]);
        if (options is not null) vm.Options = options;
        vm.Restart();
        await vm.SyncAsync();
        disk.Fill(512 << 10, 1 << 20, new Random(7));
        await vm.SyncAsync();
        return vm;
    }

    /// <summary>Every point there was is there, and holds what it held; the live image is in between.</summary>
    private static void CheckPoints(ReplicaHost replica, ProtectedVm vm)
    {
        var group = replica.Store.Get("vm");
        Assert.That(group.Journal.Points[^1].Sequence, Is.EqualTo(vm.Points[^1].Sequence));
        foreach (var point in group.Journal.Points)
        {
            using var view = group.OpenView(point);
            PointChecker.RequireSame(PointChecker.Read(view.Disks[1]), vm.Points.Single(p => p.Sequence == point.Sequence).Disks[0], $"point {point.Sequence}");
        }
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        for (var waits = 0; !condition(); waits++)
        {
            Assert.That(waits, Is.LessThan(2000), "nothing happened");
            await Task.Delay(5);
        }
    }
}
