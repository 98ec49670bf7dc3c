using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Records;
using VmRepl.Replication.Replica;
using VmRepl.Replication.Tests.Stage;

namespace VmRepl.Replication.Tests.Replica;

public class SourcePromiseTests
{
    [Test]
    public async Task Session_SyncWithALease_IsKeptAndToldToReaders()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var before = DateTimeOffset.UtcNow;
        await using (var peer = await RawPeer.ConnectAsync(replica))
        {
            await peer.AskAsync<GroupState>(RawPeer.Opening() with { AckMode = AckMode.Sync, LeaseMs = 5000 });
            await Task.Delay(20);
            await peer.AskAsync<Pong>(new Ping(1));
            var promise = replica.Store.Get("vm").Promise!;
            Assert.That((promise.AckMode, promise.LeaseMs), Is.EqualTo((AckMode.Sync, 5000u)));
            Assert.That(promise.LastSign, Is.GreaterThan(before.AddMilliseconds(15)).And.LessThanOrEqualTo(DateTimeOffset.UtcNow));
        }

        await using var reader = await RawPeer.ConnectAsync(replica, Hello.ReadOnly);
        var group = (await reader.AskAsync<GroupList>(new ListGroups())).Groups.Single();
        Assert.That((group.AckMode, group.LeaseMs), Is.EqualTo((AckMode.Sync, 5000u)));
        Assert.That(group.LastSignUs, Is.Positive);
    }

    [Test]
    public async Task Session_RoundsOnly_KeepsNothing()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using (await RawPeer.FollowAsync(replica)) Assert.That(replica.Store.Get("vm").Promise, Is.Null);
    }

    [Test]
    public async Task Session_AWriteThatIsFollowed_IsAcknowledgedBeforeItIsApplied()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var peer = await RawPeer.FollowAsync(replica);
        for (ulong sequence = 3; sequence < 10; sequence++)
        {
            await peer.Connection.SendAsync(new RecordBatch(0, sequence - 1, [RawPeer.Write(sequence, 4096, 4096)]));
            Ack ack;
            while ((ack = await peer.ReceiveAsync<Ack>()).Durable < sequence) Assert.That(ack.Applied, Is.LessThan(sequence));
            Assert.That(ack.Applied, Is.LessThan(sequence), "the first acknowledgement waits for no live image");
            Assert.That((await peer.ReceiveAsync<Ack>()).Applied, Is.EqualTo(sequence));
        }

        Assert.That(replica.Store.Get("vm").Journal.NewestPoint!.Sequence, Is.EqualTo(9));
    }
}
