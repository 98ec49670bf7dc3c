using VmRepl.Images;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using VmRepl.Replication.Replica;
using VmRepl.Replication.Source.Following;
using VmRepl.Replication.Tests.Stage;

namespace VmRepl.Replication.Tests.Following;

[Parallelizable(ParallelScope.All)]
public class ServedGroupTests
{
    [Test]
    public async Task Baseline_WhileTheGuestWrites_EndsInSyncAndEqual([Values] AcknowledgementMode mode)
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var vm = new FollowedVm(directory, replica, [("sda", ImageFormat.Raw, 64 << 20), ("sdb", ImageFormat.Qcow2, 16 << 20)], new FollowOptions { Acknowledgement = mode });
        vm.Start();
        await using (new Guest([vm.Device("sda"), vm.Device("sdb")], 1)) await vm.InSyncAsync();
        await vm.CheckEqualAsync("after the baseline");
        await using (var guest = new Guest([vm.Device("sda"), vm.Device("sdb")], 2))
        {
            while (guest.Writes < 2000) await Task.Delay(5);
        }

        await vm.CheckEqualAsync("after following");
    }

    [Test]
    public async Task Link_CutAgainAndAgainUnderLoad_LosesNothing()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        for (var seed = 0; seed < 8; seed++)
        {
            var random = new Random(seed);
            await using var vm = new FollowedVm(directory, replica, [("sda", ImageFormat.Raw, 16 << 20)], new FollowOptions { BufferBytes = 4 << 20 }, $"vm{seed}");
            vm.Connector.Wrap = (n, inner) => n < 12 ? new CuttingTransport(inner, random.NextInt64(2000, 4 << 20), random.Next(3) == 0 ? random.Next(100, 4000) : long.MaxValue) : inner;
            vm.Start();
            await using (var guest = new Guest([vm.Device("sda")], seed))
            {
                while (vm.Connector.Connections < 12 || guest.Writes < 1000) await Task.Delay(5);
            }

            await vm.CheckEqualAsync($"seed {seed}");
        }
    }

    [Test]
    public async Task Buffer_Full_TracksAndBringsOverLater()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var vm = new FollowedVm(directory, replica, [("sda", ImageFormat.Raw, 32 << 20)], new FollowOptions { BufferBytes = 1 << 20 });
        vm.Start();
        await vm.InSyncAsync();
        await using (new Guest([vm.Device("sda")], 7, depth: 8, bytesMax: 512 << 10))
        {
            while (vm.Group.Status.Following!.Overflows < 5) await Task.Delay(5);
        }

        await vm.CheckEqualAsync("after an overflow");
        var last = vm.Group.Decisions[^1];
        Assert.That(last.Decision, Is.EqualTo("quick resync"));
        Assert.That(last.Cause, Does.Contain("the buffer of 1 MiB was full"));
        Assert.That(last.BroughtOverBytes, Is.Positive);
    }

    [Test]
    public async Task Status_WhileTheConnectionIsDown_SaysSinceWhenAndWhatWaits()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var vm = new FollowedVm(directory, replica, [("sda", ImageFormat.Raw, 8 << 20)], new FollowOptions { GoneAfter = TimeSpan.FromMinutes(10) });
        vm.Start();
        await vm.InSyncAsync();
        Assert.That(vm.Group.Status.Following, Has.Property("Phase").EqualTo("in-sync").And.Property("IsFollowed").True);
        var before = TimeProvider.System.GetUtcNow();
        await replica.StopAsync();
        while (vm.Group.Status.Following!.LinkDown is null) await Task.Delay(5);
        vm.Device("sda").Write(4096, new byte[4096]);
        // Attempts that fail meanwhile begin nothing anew.
        await Task.Delay(200);
        var down = vm.Group.Status.Following!;
        Assert.That((down.Phase, down.IsFollowed, down.IsInSync), Is.EqualTo(("disconnected", false, true)));
        Assert.That(At(down.LinkSinceUs), Is.GreaterThanOrEqualTo(before).And.LessThanOrEqualTo(At(down.OldestMissingUs!.Value)));
        Assert.That(down.LagBytes, Is.GreaterThan(4096));
        Assert.That(vm.Group.Status.Phase, Is.EqualTo("disconnected"));

        replica.Store.Dispose();
        replica.Open(directory.Host("store"));
        await vm.CheckEqualAsync("when it is back");
        var up = vm.Group.Status.Following!;
        Assert.That((up.Phase, up.IsFollowed, up.OldestMissingUs), Is.EqualTo(("in-sync", true, (long?)null)));
        Assert.That(up.LinkSinceUs, Is.GreaterThan(down.OldestMissingUs.Value), "it is followed again since the connection is back");

        static DateTimeOffset At(long us) => DateTimeOffset.UnixEpoch.AddTicks(us * TimeSpan.TicksPerMicrosecond);
    }

    [Test]
    public async Task Link_AwayForTooLong_IsGivenUpAndOnlyWhatDiffersIsBroughtOver()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var vm = new FollowedVm(directory, replica, [("sda", ImageFormat.Raw, 32 << 20)], new FollowOptions { GoneAfter = TimeSpan.FromMilliseconds(300) });
        vm.Start();
        await vm.InSyncAsync();
        await replica.StopAsync();
        var block = new byte[4096];
        for (var i = 0; vm.Group.Status.Following!.Phase != "tracking"; i++)
        {
            Assert.That(i, Is.LessThan(1_000_000), "it was never given up");
            block.AsSpan().Fill((byte)(i | 1));
            vm.Device("sda").Write(i % 16 * 8192, block);
        }

        var status = vm.Group.Status.Following;
        Assert.That((status.DirtyBytes, status.LagBytes, status.LastError), Is.EqualTo((16 * 4096L, 0L, (string?)null)));
        replica.Store.Dispose();
        replica.Open(directory.Host("store"));
        await vm.CheckEqualAsync("when it is back");
        Assert.That(vm.Group.Status.Following!.BytesSent - status.BytesSent, Is.LessThan(17 * 4096 * 11 / 10), "what was written again and again is sent once");
        var last = vm.Group.Decisions[^1];
        Assert.That((last.Decision, last.MarkedBytes), Is.EqualTo(("quick resync", 16 * 4096L)));
        Assert.That(last.Cause, Does.Contain("was away"));
    }

    [Test]
    public async Task Opening_TellsTheReplicaWhatIsPromised([Values] AcknowledgementMode mode)
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var vm = new FollowedVm(directory, replica, [("sda", ImageFormat.Raw, 4 << 20)], new FollowOptions { Acknowledgement = mode, Lease = TimeSpan.FromSeconds(3) });
        vm.Start();
        await vm.InSyncAsync();
        var promise = replica.Store.Find(vm.Definition.Name)!.Promise!;
        var (word, lease) = mode switch { AcknowledgementMode.Sync => (AckMode.Sync, 3000u), AcknowledgementMode.SemiSync => (AckMode.SemiSync, 0u), _ => (AckMode.Async, 0u) };
        Assert.That((promise.AckMode, promise.LeaseMs), Is.EqualTo((word, lease)));
    }

    [Test]
    public async Task Agent_StoppedAndStarted_NeedsNoComparison([Values] ImageFormat format)
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var vm = new FollowedVm(directory, replica, [("sda", format, 32 << 20)]);
        vm.Start();
        await vm.InSyncAsync();
        await using (var guest = new Guest([vm.Device("sda")], 3))
        {
            while (guest.Writes < 200) await Task.Delay(5);
        }

        await vm.CheckEqualAsync("before the stop");
        await vm.Group.StopAsync();
        vm.Start();
        await vm.CheckEqualAsync("after the start");
        var last = vm.Group.Decisions[^1];
        Assert.That((last.Decision, last.MarkedBytes), Is.EqualTo(("quick resync", 0L)), last.Cause);
    }

    [Test]
    public async Task Replica_ComesBackAsAnOlderCopy_IsBroughtLevelFromAnAnchor()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var vm = new FollowedVm(directory, replica, [("sda", ImageFormat.Raw, 64 << 20), ("sdb", ImageFormat.Raw, 16 << 20)], new FollowOptions { AnchorEvery = TimeSpan.FromMilliseconds(20) });
        vm.Start();
        await vm.InSyncAsync();
        await WriteUntilAnchorsAsync(vm, 1);
        await vm.CheckEqualAsync("before the copy");
        await replica.StopAsync();
        replica.Store.Dispose();
        directory.CopyTree("store", "copy");
        replica.Open(directory.Host("store"));
        // What the copy lacks is acknowledged, so that no mark is left of it. Each write may have an anchor of its own: with more of them the copy's would be gone.
        vm.Device("sda").Write(12345, new byte[] { 1, 2, 3 });
        vm.Device("sdb").Zero(1 << 20, 100_000);
        await vm.CheckEqualAsync("after the copy");
        await replica.StopAsync();
        replica.Store.Dispose();
        replica.Open(directory.Host("copy"));
        await vm.CheckEqualAsync("of the copy");
        var last = vm.Group.Decisions[^1];
        Assert.That(last.Decision, Is.EqualTo("resync from an anchor"), last.Cause);
        Assert.That(last.MarkedBytes, Is.LessThan(64 << 20), "not everything");
    }

    private static async Task WriteUntilAnchorsAsync(FollowedVm vm, int count)
    {
        await using var guest = new Guest([vm.Device("sda"), vm.Device("sdb")], 11, bytesMax: 4096);
        while (vm.Group.Status.Following!.Anchors < count) await Task.Delay(1);
    }

    [Test]
    public async Task Disk_WrittenWhileNobodyWatched_IsCompared()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var vm = new FollowedVm(directory, replica, [("sda", ImageFormat.Raw, 8 << 20)]);
        vm.Start();
        await using (var guest = new Guest([vm.Device("sda")], 3))
        {
            while (guest.Writes < 300) await Task.Delay(5);
        }

        await vm.CheckEqualAsync("before the stop");
        await vm.Group.StopAsync();
        await using (var file = File.OpenWrite(directory.File("vm-sda")))
        {
            file.Position = 3 << 20;
            file.Write(new byte[12345].Select((_, i) => (byte)i).ToArray());
        }

        vm.Start();
        await vm.CheckEqualAsync("after the start");
        Assert.That(vm.Group.Decisions[^1].Decision, Is.EqualTo("resync by digests"), vm.Group.Decisions[^1].Cause);
    }

    [Test]
    public async Task Sync_ReplicaLost_AnswersNothingBeforeTheLeaseAndRecordsTheEnd()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var vm = new FollowedVm(directory, replica, [("sda", ImageFormat.Raw, 8 << 20)], new FollowOptions { Acknowledgement = AcknowledgementMode.Sync, Lease = TimeSpan.FromSeconds(1) });
        vm.Start();
        await vm.InSyncAsync();
        vm.Device("sda").Write(4096, new byte[] { 1, 2, 3 });
        var at = vm.Group.Status.Following!.Durable;
        Assert.That(vm.Group.Status.Following.Promise!.IsInForce);
        await replica.StopAsync();
        var started = TimeProvider.System.GetTimestamp();
        vm.Device("sda").Write(8192, new byte[] { 4, 5, 6 });
        Assert.That(TimeProvider.System.GetElapsedTime(started), Is.GreaterThan(TimeSpan.FromMilliseconds(500)));
        var promise = vm.Group.Status.Following.Promise;
        Assert.That(promise!.IsInForce, Is.False);
        Assert.That(promise.Ended!.Sequence, Is.GreaterThanOrEqualTo(at));
        replica.Store.Dispose();
        replica.Open(directory.Host("store"));
        await vm.CheckEqualAsync("when it is back");
        Assert.That(vm.Group.Status.Following.Promise!.IsInForce);
    }

    [Test]
    public async Task Sync_OnLossStop_WritesWaitUntilTheReplicaIsBack()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var vm = new FollowedVm(directory, replica, [("sda", ImageFormat.Raw, 8 << 20)], new FollowOptions { Acknowledgement = AcknowledgementMode.Sync, OnLoss = LossRule.Stop, Lease = TimeSpan.FromMilliseconds(300) });
        vm.Start();
        await vm.InSyncAsync();
        await replica.StopAsync();
        var write = Task.Run(() => vm.Device("sda").Write(8192, new byte[] { 4, 5, 6 }));
        await Task.Delay(1500);
        Assert.That(write.IsCompleted, Is.False);
        replica.Store.Dispose();
        replica.Open(directory.Host("store"));
        await write.WaitAsync(TimeSpan.FromSeconds(30));
        await vm.CheckEqualAsync("when it is back");
    }

    [Test]
    public async Task Replica_RestoredFromAnOlderCopy_IsFoundOut()
    {
        using var directory = new TestDirectory();
        var replica = new ReplicaHost(directory.Host("store"));
        await using var vm = new FollowedVm(directory, replica, [("sda", ImageFormat.Raw, 8 << 20)]);
        vm.Start();
        await vm.InSyncAsync();
        await replica.StopAsync();
        replica.Store.Dispose();
        directory.CopyTree("store", "older");
        replica.Open(directory.Host("store"));
        await using (var guest = new Guest([vm.Device("sda")], 5))
        {
            while (guest.Writes < 300) await Task.Delay(5);
        }

        await vm.CheckEqualAsync("before");
        await replica.StopAsync();
        replica.Store.Dispose();
        replica.Open(directory.Host("older"));
        // Until the link is seen to be down, the group is as it was: in sync.
        for (var i = 0; !vm.Group.Decisions[^1].Cause.Contains("less than it had acknowledged"); i++)
        {
            Assert.That(i, Is.LessThan(6000), $"it is not found out: {vm.Group.Decisions[^1]}");
            await Task.Delay(5);
        }

        await vm.CheckEqualAsync("after");
        await vm.Group.StopAsync();
        await replica.DisposeAsync();
    }
}
