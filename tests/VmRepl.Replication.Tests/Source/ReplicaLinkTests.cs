using VmRepl.Protocol;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Records;
using VmRepl.Replication.Source;
using VmRepl.Replication.Tests.Stage;

namespace VmRepl.Replication.Tests.Source;

/// <summary>A link against a replica that a test plays: stalled, slow with credit, or lying.</summary>
[Parallelizable(ParallelScope.All)]
public class ReplicaLinkTests
{
    private const int RecordBytes = 8192;

    private static readonly Guid StoreId = new("aaaaaaaa-0000-0000-0000-000000000001");

    private static LinkOptions Short { get; } = ProtectedVm.Quick with { RetryFor = TimeSpan.FromMilliseconds(400), ConnectTimeout = TimeSpan.FromMilliseconds(300), PingInterval = TimeSpan.FromMilliseconds(20), SilenceMax = TimeSpan.FromMilliseconds(200) };

    [Test]
    public async Task Send_ReplicaStalls_StaysWithinItsCredit()
    {
        const long credit = 64 << 10;
        long taken = 0, most = 0;
        await using var stage = new PlayedReplica(async replica =>
        {
            await GreetAsync(replica, credit);
            long granted = credit;
            ulong newest = 0;
            for (var waits = 0; taken < 40 * RecordBytes;)
            {
                using var limit = new CancellationTokenSource(30);
                try
                {
                    if (await replica.ReceiveAsync(limit.Token) is RecordBatch batch)
                    {
                        newest = batch.Records[^1].Header.Sequence;
                        taken += batch.Records.Sum(CreditRule.Weigh);
                        most = Math.Max(most, taken - (granted - credit));
                    }
                }
                catch (OperationCanceledException) when (++waits < 200)
                {
                    // It has sent all that it may. A little more is granted.
                    granted += 20_000;
                    await replica.SendAsync(new Ack(newest, newest, newest, (ulong)granted));
                }
            }

            await replica.SendAsync(new Ack(newest, newest, newest, (ulong)granted));
            await DrainAsync(replica);
        });
        await using var link = stage.Link(ProtectedVm.Quick);
        await link.OpenAsync(CancellationToken.None);
        for (ulong i = 1; i <= 40; i++) await SendAsync(link, i);
        await link.WaitDurableAsync(40, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(10));
        Assert.That(taken, Is.GreaterThanOrEqualTo(40 * RecordBytes));
        Assert.That(most, Is.LessThanOrEqualTo(credit), "what was sent and not granted again");
    }

    [Test]
    public async Task Resend_ReplicaGrantsLittle_StaysWithinItsCreditToo()
    {
        var connection = 0;
        long most = 0;
        await using var stage = new PlayedReplica(async replica =>
        {
            if (++connection == 1)
            {
                // Takes everything, acknowledges nothing, and is gone.
                await GreetAsync(replica, 1 << 20);
                for (var i = 0; i < 20; i++) await replica.ReceiveAsync();
                return;
            }

            const long credit = 3 * RecordBytes;
            await GreetAsync(replica, credit);
            long granted = credit, taken = 0;
            while (await replica.ReceiveAsync() is { } message)
            {
                if (message is Ping ping) await replica.SendAsync(new Pong(ping.Id));
                if (message is not RecordBatch batch) continue;
                taken += batch.Records.Sum(CreditRule.Weigh);
                most = Math.Max(most, taken - (granted - credit));
                granted += batch.Records.Sum(CreditRule.Weigh);
                var newest = batch.Records[^1].Header.Sequence;
                await replica.SendAsync(new Ack(newest, newest, newest, (ulong)granted));
            }
        });
        await using var link = stage.Link(ProtectedVm.Quick);
        await link.OpenAsync(CancellationToken.None);
        for (ulong i = 1; i <= 25; i++) await SendAsync(link, i).WaitAsync(TimeSpan.FromSeconds(10));
        await link.WaitDurableAsync(25, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(10));
        Assert.That(most, Is.LessThanOrEqualTo(3 * RecordBytes));
    }

    [Test]
    public async Task Link_EveryConnectionBreaksAtTheSameRecord_GivesUpWithTheReason()
    {
        await using var stage = new PlayedReplica(async replica =>
        {
            await GreetAsync(replica, 1 << 20);
            while (await replica.ReceiveAsync() is { } message)
            {
                if (message is RecordBatch) return;
            }
        });
        await using var link = stage.Link(Short);
        await link.OpenAsync(CancellationToken.None);
        await SendAsync(link, 1);
        var error = Assert.ThrowsAsync<ReplicationException>(async () => await link.WaitDurableAsync(1, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(10)));
        Assert.That(error!.Message, Does.Contain("group vm").And.Contain("closed"));
        // Back-off to 4 ms over 400 ms: a tight loop would have made thousands.
        Assert.That(stage.Connections, Is.InRange(3, 400));
    }

    [Test]
    public async Task Link_AcknowledgesWhatWasNeverSent_IsNotBelieved()
    {
        await using var stage = new PlayedReplica(async replica =>
        {
            await GreetAsync(replica, 1 << 20);
            await replica.SendAsync(new Ack(ulong.MaxValue, ulong.MaxValue, 0, ulong.MaxValue));
            await DrainAsync(replica);
        });
        await using var link = stage.Link(Short);
        await link.OpenAsync(CancellationToken.None);
        await SendAsync(link, 1);
        var error = Assert.ThrowsAsync<ReplicationException>(async () => await link.WaitDurableAsync(1, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(10)));
        Assert.That(error!.Message, Does.Contain("ack durable"));
        Assert.That(link.Durable, Is.Zero);
    }

    [TestCase("rewound", "rewound in the middle")]
    [TestCase("less", "less than it had acknowledged")]
    [TestCase("baseline", "restarted during the baseline")]
    public async Task Link_ReplicaThatCameBackIsNotWhatWasBuiltOn_BeginsTheRoundAnew(string how, string reason)
    {
        var connection = 0;
        await using var stage = new PlayedReplica(async replica =>
        {
            var isFirst = ++connection == 1;
            var phase = how == "baseline" ? "baseline" : "following";
            await Handshake.AnswerAsync(replica, new Welcome(ProtocolVersion.Current, [], StoreId, isFirst || how != "baseline" ? 1u : 2u, "test"), CancellationToken.None);
            await replica.ReceiveAsync();
            // What it has is the same, or more, wherever that is not the case in hand.
            var durable = isFirst || how != "less" ? 7u : 6u;
            await replica.SendAsync(new GroupState(phase, durable, durable, 0, 1, 1 << 20, 0) { NewestRewind = isFirst || how != "rewound" ? 3u : 4u });
            if (isFirst) await replica.ReceiveAsync();
            else await DrainAsync(replica);
        });
        await using var link = stage.Link(ProtectedVm.Quick);
        await link.OpenAsync(CancellationToken.None);
        await SendAsync(link, 8);
        var error = Assert.ThrowsAsync<RoundRestartException>(async () => await link.WaitDurableAsync(8, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(10)));
        Assert.That(error!.Message, Does.Contain(reason));
    }

    [Test]
    public async Task Link_ReplicaThatCameBackIsTheSame_GoesOn()
    {
        var connection = 0;
        await using var stage = new PlayedReplica(async replica =>
        {
            var isFirst = ++connection == 1;
            await Handshake.AnswerAsync(replica, new Welcome(ProtocolVersion.Current, [], StoreId, 1, "test"), CancellationToken.None);
            await replica.ReceiveAsync();
            await replica.SendAsync(new GroupState("following", 7, 7, 0, 1, 1 << 20, 0) { NewestRewind = 3 });
            await replica.ReceiveAsync();
            if (isFirst) return;
            await replica.SendAsync(new Ack(8, 8, 8, 1 << 20));
            await DrainAsync(replica);
        });
        await using var link = stage.Link(ProtectedVm.Quick);
        await link.OpenAsync(CancellationToken.None);
        await SendAsync(link, 8);
        await link.WaitDurableAsync(8, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Test]
    public async Task Ask_WrongKindOfAnswer_IsAnError()
    {
        await using var stage = new PlayedReplica(async replica =>
        {
            await GreetAsync(replica, 1 << 20);
            while (await replica.ReceiveAsync() is { } message)
            {
                if (message is AllocationQuery query) await replica.SendAsync(new DigestResult(query.Id, []));
            }
        });
        await using var link = stage.Link(Short);
        await link.OpenAsync(CancellationToken.None);
        Assert.That(async () => await link.AskAsync<AllocationResult>(id => new AllocationQuery(id, 1, []), CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(10)), Throws.InstanceOf<ProtocolException>());
    }

    [Test]
    public async Task Open_NothingAnswers_FailsInTimeAndNamesThePeer()
    {
        await using var stage = new PlayedReplica(async replica => await DrainAsync(replica));
        await using var link = stage.Link(Short);
        var error = Assert.ThrowsAsync<ReplicationException>(async () => await link.OpenAsync(CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(10)));
        Assert.That(error!.Message, Does.Contain("group vm").And.Contain("replica:1").And.Contain("no answer"));
        Assert.That(error.Hint, Is.Not.Empty);
    }

    [Test]
    public async Task Dispose_InTheMiddleOfAReconnect_EndsEveryWait()
    {
        var connection = 0;
        await using var stage = new PlayedReplica(async replica =>
        {
            if (++connection > 1) await DrainAsync(replica);
            else await GreetAsync(replica, 1 << 20);
        });
        var link = stage.Link(ProtectedVm.Quick);
        await link.OpenAsync(CancellationToken.None);
        var asking = link.AskAsync<AllocationResult>(id => new AllocationQuery(id, 1, []), CancellationToken.None);
        var waiting = link.WaitDurableAsync(1, CancellationToken.None);
        while (stage.Connections < 2) await Task.Delay(1);
        await link.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(10));
        Assert.That(async () => await asking.WaitAsync(TimeSpan.FromSeconds(10)), Throws.InstanceOf<IOException>());
        Assert.That(async () => await waiting.WaitAsync(TimeSpan.FromSeconds(10)), Throws.InstanceOf<IOException>());
    }

    private static async Task SendAsync(ReplicaLink link, ulong sequence)
    {
        var record = RawPeer.Write(sequence, 0, RecordBytes);
        await link.SendAsync(() => [new SentRecord(record, false, null)], CreditRule.Weigh(record), CancellationToken.None);
    }

    private static async Task GreetAsync(FramedConnection replica, long credit)
    {
        await Handshake.AnswerAsync(replica, new Welcome(ProtocolVersion.Current, [], StoreId, 1, "test"), CancellationToken.None);
        // A link that gives up may do so in the middle of a greeting.
        var opening = await replica.ReceiveAsync() ?? throw new ConnectionLostException("the link", "was closed in the greeting");
        Assert.That(opening, Is.InstanceOf<OpenGroup>());
        await replica.SendAsync(new GroupState("following", 0, 0, 0, 1, (ulong)credit, 0));
    }

    private static async Task DrainAsync(FramedConnection replica)
    {
        while (await replica.ReceiveAsync() is { } message)
        {
            if (message is Ping ping) await replica.SendAsync(new Pong(ping.Id));
        }
    }

    /// <summary>Serves each connection by the script, then closes it.</summary>
    private sealed class PlayedReplica : IAsyncDisposable
    {
        private readonly MemoryConnector connector;
        private readonly List<Task> serving = [];

        public PlayedReplica(Func<FramedConnection, Task> script) => connector = new MemoryConnector(t => serving.Add(ServeAsync(t, script)));

        public int Connections => connector.Connections;

        public ReplicaLink Link(LinkOptions options) => new(connector, RawPeer.Opening(), options, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);

        public async ValueTask DisposeAsync() => await Task.WhenAll(serving).WaitAsync(TimeSpan.FromSeconds(10));

        private static async Task ServeAsync(ITransport transport, Func<FramedConnection, Task> script)
        {
            await Task.Yield();
            await using var connection = new FramedConnection(transport);
            try
            {
                await script(connection);
            }
            catch (ConnectionLostException)
            {
                // The link closed it.
            }
        }
    }
}
