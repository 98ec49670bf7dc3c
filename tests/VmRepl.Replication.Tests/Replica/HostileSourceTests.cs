using VmRepl.Blocks;
using VmRepl.Journal.Points;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Records;
using VmRepl.Replication.Replica;
using VmRepl.Replication.Tests.Stage;

namespace VmRepl.Replication.Tests.Replica;

/// <summary>Whatever a source says, it ends in one clear word to it, and other sessions do not notice.</summary>
[Parallelizable(ParallelScope.All)]
public class HostileSourceTests
{
    private static readonly byte[] Digest = new byte[16];

    private static IEnumerable<TestCaseData> Messages()
    {
        static TestCaseData Case(string name, string code, IMessage message) => new TestCaseData(message, code).SetArgDisplayNames(name);
        yield return Case("contents past the end", RefusalCode.OutOfOrder, new RecordBatch(0, 2, [RawPeer.Write(3, offset: 64 << 10)]));
        yield return Case("a disk that is not there", RefusalCode.OutOfOrder, new RecordBatch(0, 2, [RawPeer.Write(3, disk: 9)]));
        yield return Case("a punch larger than any", RefusalCode.OutOfOrder, new RecordBatch(0, 2, [RawPeer.Punch(3, 0, RecordLimits.MaxEmptyBytes + 512)]));
        yield return Case("a batch that skips one", RefusalCode.OutOfOrder, new RecordBatch(0, 3, [RawPeer.Write(4)]));
        yield return Case("a batch that comes again", RefusalCode.OutOfOrder, new RecordBatch(0, 1, [RawPeer.Fact(RecordKind.ResyncEnd, 2)]));
        yield return Case("a resync from the past", RefusalCode.OutOfOrder, new RecordBatch(0, 0, [RawPeer.Fact(RecordKind.ResyncBegin, 1)]));
        yield return Case("a resync over a hole", RefusalCode.OutOfOrder, new RecordBatch(0, 8, [RawPeer.ResyncBegin(9)]));
        yield return Case("a resync that names no hole's end", RefusalCode.OutOfOrder, new RecordBatch(0, 2, [RawPeer.ResyncBegin(9, (RecordAttribute.GapFrom, 3))]));
        yield return Case("a resync that names a part of the hole", RefusalCode.OutOfOrder, new RecordBatch(0, 2, [RawPeer.ResyncBegin(9, (RecordAttribute.GapFrom, 4), (RecordAttribute.GapTo, 8))]));
        yield return Case("a resync that names more than the hole", RefusalCode.OutOfOrder, new RecordBatch(0, 2, [RawPeer.ResyncBegin(9, (RecordAttribute.GapFrom, 3), (RecordAttribute.GapTo, 9))]));
        yield return Case("a resync that names a hole where none is", RefusalCode.OutOfOrder, new RecordBatch(0, 2, [RawPeer.ResyncBegin(3, (RecordAttribute.GapFrom, 3), (RecordAttribute.GapTo, 2))]));
        yield return Case("an older epoch", RefusalCode.OutOfOrder, new RecordBatch(0, 2, [RawPeer.Write(3, epoch: 0)]));
        yield return Case("baseline contents after the baseline", RefusalCode.OutOfOrder, new BaselineBatch(2, [RawPeer.Write(3)]));
        yield return Case("a question about no disk", RefusalCode.OutOfOrder, new AllocationQuery(1, 7, [new Extent(0, 512)]));
        yield return Case("a question past the end", RefusalCode.OutOfOrder, new AllocationQuery(1, 1, [new Extent(0, 128 << 10)]));
        yield return Case("digests past the end", RefusalCode.OutOfOrder, new DigestCompare(1, 1, 4096, [new Extent(64 << 10, 4096)], Digest));
        yield return Case("digests of no level", RefusalCode.OutOfOrder, new DigestCompare(1, 1, 512, [new Extent(0, 512)], Digest));
        yield return Case("digests off the blocks", RefusalCode.OutOfOrder, new DigestCompare(1, 1, 4096, [new Extent(512, 4096)], Digest));
        yield return Case("an answer", RefusalCode.Protocol, new Ack(9, 9, 9, 9));
        yield return Case("another opening", RefusalCode.Protocol, RawPeer.Opening());
        yield return Case("a reader's request", RefusalCode.Protocol, new ListGroups());
        yield return Case("a refusal", RefusalCode.Protocol, new Refusal("x", "y", "z"));
        yield return Case("a second hello", RefusalCode.Protocol, new Hello(1, 1, [], Guid.Empty, "x", Hello.Replicate));
    }

    [TestCaseSource(nameof(Messages))]
    public async Task Session_HostileMessage_IsToldAndOthersGoOn(IMessage message, string code)
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var other = await RawPeer.FollowAsync(replica, "other");
        await using var peer = await RawPeer.FollowAsync(replica);
        var failure = await peer.AskAsync<Failure>(message);
        Assert.That(failure.Code, Is.EqualTo(code), failure.Message);
        Assert.That(failure.Message, Does.StartWith("group vm"));
        await peer.DisposeAsync();

        Assert.That(replica.Store.Get("vm").Journal.Position.Durable, Is.EqualTo(2), "nothing was taken");
        await other.Connection.SendAsync(new RecordBatch(0, 2, [RawPeer.Write(3)]));
        Assert.That((await other.ReceiveAsync<Ack>()).Durable, Is.EqualTo(3));
        await using var again = await RawPeer.ConnectAsync(replica);
        Assert.That((await again.AskAsync<GroupState>(RawPeer.Opening())).Durable, Is.EqualTo(2), "the group can be opened again");
    }

    private static IEnumerable<TestCaseData> Overtakers()
    {
        yield return new TestCaseData(new BaselineBatch(2, [RawPeer.Write(3)])).SetArgDisplayNames("contents");
        yield return new TestCaseData(new RecordBatch(0, 2, [RawPeer.Fact(RecordKind.ResyncEnd, 3)])).SetArgDisplayNames("the end");
        yield return new TestCaseData(new RecordBatch(0, 0, [RawPeer.Fact(RecordKind.ResyncEnd, 3)])).SetArgDisplayNames("an end that leaves out what was there");
    }

    /// <summary>Seed 711693: the end of a baseline overtook contents, and its acknowledgement counted for them.</summary>
    [TestCaseSource(nameof(Overtakers))]
    public async Task Baseline_BatchThatOvertookAnother_IsRefusedAndNotAcknowledged(IMessage overtaker)
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var peer = await RawPeer.ConnectAsync(replica);
        await peer.AskAsync<GroupState>(RawPeer.Opening());
        await peer.Connection.SendAsync(new BaselineBatch(0, [RawPeer.Write(1)]));
        Assert.That((await peer.ReceiveAsync<Ack>()).Received, Is.EqualTo(1));
        var failure = await peer.AskAsync<Failure>(overtaker);
        Assert.That(failure.Code, Is.EqualTo(RefusalCode.OutOfOrder));
        Assert.That(failure.Message, Does.Contain("came where one after 1 was due"));
        Assert.That(replica.Store.Get("vm").Journal.Position.Durable, Is.Zero);
    }

    [Test]
    public async Task Session_ResyncThatNamesTheHole_IsTaken()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var peer = await RawPeer.FollowAsync(replica);
        await peer.Connection.SendAsync(new RecordBatch(0, 2, [RawPeer.ResyncBegin(9, (RecordAttribute.GapFrom, 3), (RecordAttribute.GapTo, 8))]));
        Assert.That((await peer.ReceiveAsync<Ack>()).Durable, Is.EqualTo(9));
    }

    [Test]
    public async Task Session_MoreThanTheCredit_IsEnded()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"), new ReplicaOptions { CreditBytes = 1 << 20 });
        await using var peer = await RawPeer.ConnectAsync(replica);
        await peer.AskAsync<GroupState>(RawPeer.Opening(length: 64 << 20));
        // One record of the largest kind is the slack; these are three of half its size.
        await peer.Connection.SendAsync(new BaselineBatch(0, [RawPeer.Write(1, 0, 16 << 20), RawPeer.Write(2, 0, 16 << 20), RawPeer.Write(3, 0, 16 << 20)]));
        var failure = await peer.ReceiveAsync<Failure>();
        Assert.That(failure.Code, Is.EqualTo(RefusalCode.Protocol));
        Assert.That(failure.Message, Does.Contain("granted"));
        // What comes after the last word is not looked at.
        await peer.Connection.SendAsync(new BaselineBatch(3, [RawPeer.Write(4)]));
        await peer.Connection.SendAsync(new Bye());
        Assert.That(await peer.NextAsync(), Is.Null);
    }

    [Test]
    public async Task Session_RecordThatDoesNotTravel_EndsTheConnectionAndTakesNothing()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var peer = await RawPeer.FollowAsync(replica);
        await peer.Connection.SendAsync(new RecordBatch(0, 2, [RawPeer.Fact(RecordKind.Checkpoint, 3)]));
        Assert.That(await peer.NextAsync(), Is.Null, "what cannot be read as a message is not answered");
        Assert.That(replica.Store.Get("vm").Journal.Position.Durable, Is.EqualTo(2));
    }

    [Test]
    public async Task Session_NothingAfterTheGreeting_IsClosed()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"), new ReplicaOptions { SilenceMax = TimeSpan.FromMilliseconds(100) });
        await using var peer = await RawPeer.ConnectAsync(replica);
        Assert.That(await peer.NextAsync(), Is.Null);
        await using var opened = await RawPeer.ConnectAsync(replica);
        await opened.AskAsync<GroupState>(RawPeer.Opening());
        Assert.That(await opened.NextAsync(), Is.Null);
    }

    [TestCase(0)]
    [TestCase(511)]
    [TestCase((64L << 40) + 512)]
    [TestCase(long.MaxValue - 511)]
    public async Task Opening_DiskThatCannotBeKept_IsRefusedAndLeavesNothing(long length)
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var peer = await RawPeer.ConnectAsync(replica);
        var refusal = await peer.AskAsync<Refusal>(RawPeer.Opening(length: length));
        Assert.That(refusal.Message, Does.StartWith("group vm"));
        Assert.That(replica.Store.Groups, Is.Empty);
        await using var better = await RawPeer.ConnectAsync(replica);
        await better.AskAsync<GroupState>(RawPeer.Opening());
    }

    [Test]
    public async Task Reading_HostileRequests_AreAnsweredAndTheSessionGoesOn()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var source = await RawPeer.FollowAsync(replica);
        await using var peer = await RawPeer.ConnectAsync(replica, Hello.ReadOnly);
        var view = (await peer.AskAsync<ViewOpened>(new OpenView("vm", "latest"))).View;
        IMessage[] requests =
        [
            new ListPoints("nobody"), new OpenView("nobody", "latest"), new OpenView("vm", "no-such-name"), new OpenView("vm", "99"), new OpenView("vm", "1970-01-01"),
            new MapView(view + 1, 1, 0, 512), new MapView(view, 2, 0, 512), new MapView(view, 1, 0, (64 << 10) + 512), new MapView(view, 1, 1L << 62, 1L << 62),
            new ReadView(view, 1, 64 << 10, 1), new ReadView(view, 1, long.MaxValue - 10, 10), new ReadView(view, 9, 0, 512), new ReadView(99, 1, 0, 512),
            RawPeer.Opening(), new RecordBatch(0, 2, [RawPeer.Write(3)]), new BaselineBatch(2, [RawPeer.Write(3)]), new DigestCompare(1, 1, 4096, [new Extent(0, 4096)], Digest),
            new Ack(1, 1, 1, 1), new Hello(1, 1, [], Guid.Empty, "x", Hello.Replicate),
        ];
        foreach (var request in requests)
        {
            var failure = await peer.AskAsync<Failure>(request);
            Assert.That(failure.Message, Is.Not.Empty, $"{request}");
        }

        for (var opened = 1; opened < 64; opened++) await peer.AskAsync<ViewOpened>(new OpenView("vm", "latest"));
        await peer.AskAsync<Failure>(new OpenView("vm", "latest"));
        Assert.That((await peer.AskAsync<ViewContents>(new ReadView(view, 1, 0, 512))).Payload.Length, Is.EqualTo(512));
        await peer.AskAsync<Pong>(new CloseView(view));
        await peer.AskAsync<Failure>(new ReadView(view, 1, 0, 512));
        await peer.AskAsync<ViewOpened>(new OpenView("vm", "latest"));
    }

    [Test]
    public async Task Session_GarbageBytes_EndOnlyThisConnection([Range(0, 19)] int seed)
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var other = await RawPeer.FollowAsync(replica, "other");
        var (source, served) = MemoryTransport.CreatePair(1 << 20);
        replica.Accept(served);
        var garbage = new byte[4096];
        new Random(seed).NextBytes(garbage);
        if (seed % 2 == 0) garbage[0] = garbage[1] = garbage[2] = 0;
        await source.SendAsync(garbage, CancellationToken.None);
        await source.DisposeAsync();
        await other.Connection.SendAsync(new RecordBatch(0, 2, [RawPeer.Write(3)]));
        Assert.That((await other.ReceiveAsync<Ack>()).Durable, Is.EqualTo(3));
    }
}
