using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Security;
using VmRepl.Replication.Tests.Stage;

namespace VmRepl.Replication.Tests.Replica;

/// <summary>Who may have a group; and who is refused does not disturb who has it.</summary>
[Parallelizable(ParallelScope.All)]
public class FencingTests
{
    private static IEnumerable<TestCaseData> Refused()
    {
        static TestCaseData Case(string name, string code, OpenGroup open) => new TestCaseData(open, code).SetArgDisplayNames(name);
        yield return Case("another source", RefusalCode.GroupTaken, RawPeer.Opening(source: Guid.NewGuid()));
        yield return Case("another source of a newer epoch", RefusalCode.GroupTaken, RawPeer.Opening(source: Guid.NewGuid(), epoch: 9));
        yield return Case("an older epoch", RefusalCode.StaleEpoch, RawPeer.Opening(epoch: 0));
        yield return Case("another size", RefusalCode.DisksDiffer, RawPeer.Opening(length: 128 << 10));
        yield return Case("another sector", RefusalCode.DisksDiffer, RawPeer.Opening(disks: [new DiskDeclaration(1, "sda", 64 << 10, 4096, "raw")]));
        yield return Case("another name", RefusalCode.DisksDiffer, RawPeer.Opening(disks: [new DiskDeclaration(1, "sdb", 64 << 10, 512, "raw")]));
        yield return Case("one disk more", RefusalCode.DisksDiffer, RawPeer.Opening(disks: [new DiskDeclaration(1, "sda", 64 << 10, 512, "raw"), new DiskDeclaration(2, "sdb", 512, 512, "raw")]));
    }

    [TestCaseSource(nameof(Refused))]
    public async Task Opening_WithoutRight_IsRefusedAndTheOwnerGoesOn(OpenGroup open, string code)
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var owner = await RawPeer.FollowAsync(replica);
        await using var peer = await RawPeer.ConnectAsync(replica);
        var refusal = await peer.AskAsync<Refusal>(open);
        Assert.That(refusal.Code, Is.EqualTo(code), refusal.Message);
        Assert.That(refusal.Message, Does.Contain("group vm"));
        await owner.Connection.SendAsync(new RecordBatch(0, 2, [RawPeer.Write(3)]));
        Assert.That((await owner.ReceiveAsync<Ack>()).Durable, Is.EqualTo(3), "the session that has the group goes on");
    }

    [Test]
    public async Task Opening_CertificateOfAnotherGroup_IsRefusedAndTheOwnerGoesOn()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var owner = await RawPeer.FollowAsync(replica);
        await using var peer = await RawPeer.ConnectAsync(replica, identity: Identity("elsewhere"));
        Assert.That((await peer.AskAsync<Refusal>(RawPeer.Opening())).Code, Is.EqualTo(RefusalCode.NotAllowed));
        await owner.Connection.SendAsync(new RecordBatch(0, 2, [RawPeer.Write(3)]));
        Assert.That((await owner.ReceiveAsync<Ack>()).Durable, Is.EqualTo(3));

        await using var reader = await RawPeer.ConnectAsync(replica, Hello.ReadOnly, Identity("elsewhere"));
        Assert.That((await reader.AskAsync<GroupList>(new ListGroups())).Groups, Is.Empty);
        await reader.AskAsync<Failure>(new OpenView("vm", "latest"));
        await reader.AskAsync<Failure>(new ListPoints("vm"));
    }

    [Test]
    public async Task Opening_SameSourceAgain_EndsTheOlderSession()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var older = await RawPeer.FollowAsync(replica);
        await using var newer = await RawPeer.ConnectAsync(replica);
        Assert.That((await newer.AskAsync<GroupState>(RawPeer.Opening())).Durable, Is.EqualTo(2));
        Assert.That(await older.NextAsync(), Is.Null);
        await newer.Connection.SendAsync(new RecordBatch(0, 2, [RawPeer.Write(3)]));
        Assert.That((await newer.ReceiveAsync<Ack>()).Durable, Is.EqualTo(3));
    }

    [Test]
    public async Task Opening_NewerEpoch_FencesTheOlderForGood()
    {
        using var directory = new TestDirectory();
        await using (var replica = new ReplicaHost(directory.Host("store")))
        {
            await using var older = await RawPeer.FollowAsync(replica);
            await using var newer = await RawPeer.ConnectAsync(replica);
            Assert.That((await newer.AskAsync<GroupState>(RawPeer.Opening(epoch: 2))).Epoch, Is.EqualTo(2));
        }

        await using var reopened = new ReplicaHost(directory.Host("store"));
        await using var late = await RawPeer.ConnectAsync(reopened);
        Assert.That((await late.AskAsync<Refusal>(RawPeer.Opening(epoch: 1))).Code, Is.EqualTo(RefusalCode.StaleEpoch));
    }

    [Test]
    public async Task Opening_ManyAtOnce_OneHasTheGroupInTheEnd()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var peers = new List<RawPeer>();
        for (var i = 0; i < 8; i++) peers.Add(await RawPeer.ConnectAsync(replica));
        await Task.WhenAll(peers.Select(p => p.Connection.SendAsync(RawPeer.Opening()).AsTask()));
        var states = await Task.WhenAll(peers.Select(p => p.NextAsync()));
        Assert.That(states.OfType<GroupState>(), Is.Not.Empty);
        Assert.That(states.Where(s => s is not (GroupState or null)), Is.Empty);
        var alive = 0;
        foreach (var peer in peers.Zip(states).Where(p => p.Second is not null).Select(p => p.First))
        {
            try
            {
                await peer.Connection.SendAsync(new Ping(1));
                if (await peer.NextAsync() is Pong) alive++;
            }
            catch (Protocol.Connections.ConnectionLostException)
            {
                // Ended by a newer one.
            }
        }

        Assert.That(alive, Is.EqualTo(1));
        foreach (var peer in peers) await peer.DisposeAsync();
    }

    private static PeerIdentity Identity(string group) => TestIdentity.For(group);
}
