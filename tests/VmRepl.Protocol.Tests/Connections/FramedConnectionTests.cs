using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Tests.Messages;
using VmRepl.Protocol.Tests.Records;

namespace VmRepl.Protocol.Tests.Connections;

public class FramedConnectionTests
{
    private static readonly Hello Hello = new(1, 1, [], Guid.Empty, "test", Protocol.Messages.Hello.Replicate);
    private static readonly Welcome Welcome = new(1, [], Guid.Empty, 1, "test");

    [Test, CancelAfter(30_000)]
    public async Task Messages_OfAllTypes_ArriveAsTheyWereSent(CancellationToken cancellation)
    {
        var (source, replica) = await WelcomedAsync(MemoryTransport.CreatePair(), cancellation);
        var messages = SampleMessages.All.Where(message => message is not Protocol.Messages.Welcome).ToArray();
        var sending = Task.Run(async () =>
        {
            foreach (var message in messages) await source.SendAsync(message, cancellation);
            await source.DisposeAsync();
        }, cancellation);
        foreach (var message in messages)
            Assert.That(Encode((await replica.ReceiveAsync(cancellation))!), Is.EqualTo(Encode(message)));
        Assert.That(await replica.ReceiveAsync(cancellation), Is.Null);
        await sending;
        Assert.That(replica.BytesReceived, Is.EqualTo(source.BytesSent));
        foreach (var type in Enum.GetValues<MessageType>()) Assert.That(replica.BytesReceivedBy(type), Is.EqualTo(source.BytesSentBy(type)), $"{type}");
        Assert.That(Enum.GetValues<MessageType>().Sum(source.BytesSentBy), Is.EqualTo(source.BytesSent));
        Assert.That(source.BytesSentBy(MessageType.Bye), Is.EqualTo(FrameLimits.HeadBytes + 2));
    }

    [Test, CancelAfter(30_000)]
    public async Task Frame_OfAMessage_IsTheDocumentedBytes(CancellationToken cancellation)
    {
        var (near, far) = MemoryTransport.CreatePair();
        await using var connection = new FramedConnection(near);
        await connection.SendAsync(new Ping(300), cancellation);
        var bytes = new byte[100];
        var count = await far.ReceiveAsync(bytes, cancellation);
        byte[] body = [0x92, 13, 0xcd, 0x01, 0x2c];
        var expected = new byte[FrameLimits.HeadBytes + body.Length];
        BinaryPrimitives.WriteInt32BigEndian(expected.AsSpan(FrameLimits.LengthOffset), body.Length);
        BinaryPrimitives.WriteUInt32BigEndian(expected.AsSpan(FrameLimits.ChecksumOffset), Crc32C.Compute(body));
        body.CopyTo(expected.AsSpan(FrameLimits.HeadBytes));
        Assert.That(bytes[..count], Is.EqualTo(expected));
        Assert.That(FrameLimits.HeadBytes, Is.EqualTo(8));
    }

    [Test, CancelAfter(60_000)]
    public async Task Session_CutAtEachByte_EndsCleanlyBetweenFramesAndAsALossWithinThem(CancellationToken cancellation)
    {
        IMessage[] messages = [new Ping(1), new RecordBatch(0, 0, [SampleRecords.Write(1, 512)]), new Ack(1, 1, 1, 1), new Bye()];
        var boundaries = new List<long> { 0 };
        var bytes = messages.SelectMany(message =>
        {
            var frame = Frame(Encode(message));
            boundaries.Add(boundaries[^1] + frame.Length);
            return frame;
        }).ToArray();
        for (var cut = 0; cut <= bytes.Length; cut++)
        {
            var (near, far) = MemoryTransport.CreatePair();
            await near.SendAsync(bytes.AsMemory(0, cut), cancellation);
            await near.DisposeAsync();
            await using var connection = new FramedConnection(far);
            var whole = boundaries.FindLastIndex(boundary => boundary <= cut);
            for (var i = 0; i < whole; i++) Assert.That(Encode((await connection.ReceiveAsync(cancellation))!), Is.EqualTo(Encode(messages[i])));
            if (boundaries.Contains(cut)) Assert.That(await connection.ReceiveAsync(cancellation), Is.Null, $"cut at {cut}");
            else
            {
                var fault = Assert.ThrowsAsync<ConnectionLostException>(async () => await connection.ReceiveAsync(cancellation), $"cut at {cut}")!;
                Assert.That(fault.Peer, Is.EqualTo("source in memory"));
                Assert.That(fault.Message, Does.Contain($"{cut - boundaries[whole]} bytes into a frame"));
                Assert.That(async () => await connection.ReceiveAsync(cancellation), Throws.InstanceOf<ConnectionLostException>(), "it stays failed");
            }
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Sending_CutAtEachByte_DeliversTheWholeFramesBeforeItAndFailsTheRest(CancellationToken cancellation)
    {
        IMessage[] messages = [new Ping(1), new RecordBatch(0, 0, [SampleRecords.Write(1, 512)]), new Bye()];
        var frames = messages.Select(message => Frame(Encode(message)).Length).ToArray();
        for (var cut = 0; cut < frames.Sum(); cut++)
        {
            var (near, far) = MemoryTransport.CreatePair();
            await using var source = new FramedConnection(new CuttingTransport(near, cut, long.MaxValue));
            await using var replica = new FramedConnection(far);
            var sent = 0;
            try
            {
                for (; sent < messages.Length; sent++) await source.SendAsync(messages[sent], cancellation);
                Assert.Fail($"nothing failed, cut at {cut}");
            }
            catch (ConnectionLostException)
            {
                Assert.That(cut, Is.InRange(frames.Take(sent).Sum(), frames.Take(sent + 1).Sum() - 1));
            }

            Assert.That(source.BytesSent, Is.EqualTo(frames.Take(sent).Sum()), "only whole frames are counted");
            for (var i = 0; i < sent; i++) Assert.That(Encode((await replica.ReceiveAsync(cancellation))!), Is.EqualTo(Encode(messages[i])));
            if (cut == frames.Take(sent).Sum()) Assert.That(await replica.ReceiveAsync(cancellation), Is.Null);
            else Assert.That(async () => await replica.ReceiveAsync(cancellation), Throws.InstanceOf<ConnectionLostException>(), $"cut at {cut}");
            Assert.That(async () => await source.SendAsync(new Bye(), cancellation), Throws.InstanceOf<ConnectionLostException>());
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Session_OneByteAtATime_ArrivesWhole(CancellationToken cancellation)
    {
        var (source, replica) = await WelcomedAsync(MemoryTransport.CreatePair(1), cancellation);
        var batch = new RecordBatch(0, 0, [SampleRecords.Write(1, 4096 + 512)]);
        var sending = source.SendAsync(batch, cancellation).AsTask();
        var arrived = (RecordBatch)(await replica.ReceiveAsync(cancellation))!;
        await sending;
        Assert.That(arrived.Records[0].VerifyPayload, Throws.Nothing);
    }

    [Test, CancelAfter(60_000)]
    public async Task Frame_WithAnyBitFlipped_IsRefused(CancellationToken cancellation)
    {
        var frame = Frame(Encode(new Ack(1, 2, 3, 4)));
        for (var bit = 0; bit < frame.Length * 8; bit++)
        {
            var damaged = frame.ToArray();
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            var (near, far) = MemoryTransport.CreatePair();
            await near.SendAsync(damaged, cancellation);
            await near.DisposeAsync();
            await using var connection = new FramedConnection(far);
            // A length that grew by a little waits for bytes that never come.
            Assert.That(async () => await connection.ReceiveAsync(cancellation), Throws.InstanceOf<ProtocolException>().Or.InstanceOf<ConnectionLostException>(), $"bit {bit}");
        }
    }

    [TestCase(0u), TestCase(FrameLimits.MaxBeforeWelcomeBytes + 1u), TestCase(0x7fff_ffffu), TestCase(0xffff_ffffu)]
    public async Task Frame_OfAStranger_IsBoundBeforeItsMemoryIsTaken(uint length)
    {
        var (near, far) = MemoryTransport.CreatePair();
        var head = new byte[FrameLimits.HeadBytes];
        BinaryPrimitives.WriteUInt32BigEndian(head, length);
        await near.SendAsync(head, CancellationToken.None);
        await using var connection = new FramedConnection(far);
        Assert.That(async () => await connection.ReceiveAsync(), Throws.InstanceOf<ProtocolException>().With.Property("Field").EqualTo("frame length"));
    }

    [Test, CancelAfter(30_000)]
    public async Task Frame_AfterTheWelcome_MayBeLargeBothWays(CancellationToken cancellation)
    {
        var (source, replica) = await WelcomedAsync(MemoryTransport.CreatePair(), cancellation);
        foreach (var (from, to) in new[] { (source, replica), (replica, source) })
        {
            var sending = from.SendAsync(ViewContents.Of(new byte[MessageLimits.MaxReadBytes]), cancellation).AsTask();
            Assert.That(((ViewContents)(await to.ReceiveAsync(cancellation))!).Payload.Length, Is.EqualTo(MessageLimits.MaxReadBytes));
            await sending;
        }
    }

    [Test, CancelAfter(30_000)]
    public async Task Welcome_NobodyAskedFor_IsRefused(CancellationToken cancellation)
    {
        var (near, far) = MemoryTransport.CreatePair();
        await using var stranger = new FramedConnection(near);
        await using var connection = new FramedConnection(far);
        await stranger.SendAsync(Welcome, cancellation);
        Assert.That(async () => await connection.ReceiveAsync(cancellation), Throws.InstanceOf<ProtocolException>());
    }

    [Test, CancelAfter(30_000)]
    public async Task Message_TooLargeForAFrame_IsNotSentAndHarmsNothing(CancellationToken cancellation)
    {
        var (source, replica) = await WelcomedAsync(MemoryTransport.CreatePair(), cancellation);
        var sent = source.BytesSent;
        var tooLarge = new RecordBatch(0, 0, [.. Enumerable.Range(1, 3).Select(i => SampleRecords.Write((ulong)i, 32 << 20))]);
        Assert.That(async () => await source.SendAsync(tooLarge, cancellation), Throws.ArgumentException);
        Assert.That(source.BytesSent, Is.EqualTo(sent));
        await source.SendAsync(new Ping(1), cancellation);
        Assert.That(await replica.ReceiveAsync(cancellation), Is.EqualTo(new Ping(1)));
    }

    [Test, CancelAfter(30_000)]
    public async Task Send_FromManyCallers_KeepsFramesWhole(CancellationToken cancellation)
    {
        var (source, replica) = await WelcomedAsync(MemoryTransport.CreatePair(100), cancellation);
        var senders = Enumerable.Range(0, 20).Select(caller => Task.Run(async () =>
        {
            for (var i = 0; i < 50; i++) await source.SendAsync(new Ping((ulong)((caller * 50) + i)), cancellation);
        }, cancellation)).ToArray();
        var arrived = new HashSet<ulong>();
        for (var i = 0; i < 1000; i++) Assert.That(arrived.Add(((Ping)(await replica.ReceiveAsync(cancellation))!).Id), Is.True);
        await Task.WhenAll(senders);
    }

    [Test, CancelAfter(30_000)]
    public async Task Receive_Cancelled_LosesNothingEvenInsideAFrame(CancellationToken cancellation)
    {
        var (near, far) = MemoryTransport.CreatePair();
        await using var connection = new FramedConnection(far);
        var frame = Frame(Encode(new Ping(7)));
        foreach (var single in frame)
        {
            using var soon = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            var receiving = connection.ReceiveAsync(soon.Token).AsTask();
            await soon.CancelAsync();
            Assert.That(async () => await receiving, Throws.InstanceOf<OperationCanceledException>());
            await near.SendAsync(new[] { single }, cancellation);
        }

        Assert.That(await connection.ReceiveAsync(cancellation), Is.EqualTo(new Ping(7)));
    }

    [Test, CancelAfter(30_000)]
    public async Task Send_CancelledInsideAFrame_LeavesTheConnectionFailed(CancellationToken cancellation)
    {
        var (near, _) = MemoryTransport.CreatePair(4);
        await using var connection = new FramedConnection(near);
        using var soon = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var sending = connection.SendAsync(new Ping(1), soon.Token).AsTask();
        await soon.CancelAsync();
        Assert.That(async () => await sending, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(async () => await connection.SendAsync(new Ping(2), cancellation), Throws.InstanceOf<ConnectionLostException>());
    }

    [Test, CancelAfter(30_000)]
    public async Task Dispose_WhileASendIsStuck_EndsIt(CancellationToken cancellation)
    {
        var (near, _) = MemoryTransport.CreatePair(4);
        var connection = new FramedConnection(near);
        var sending = connection.SendAsync(new Ping(1), cancellation).AsTask();
        await connection.DisposeAsync();
        Assert.That(async () => await sending, Throws.InstanceOf<ConnectionLostException>());
        Assert.That(async () => await connection.SendAsync(new Ping(2), cancellation), Throws.InstanceOf<ConnectionLostException>());
    }

    [Test, CancelAfter(30_000)]
    public async Task Payloads_OfEarlierMessages_StayAsTheyCame(CancellationToken cancellation)
    {
        var (source, replica) = await WelcomedAsync(MemoryTransport.CreatePair(), cancellation);
        var kept = new List<RecordBatch>();
        for (var i = 1; i <= 10; i++)
        {
            var sending = source.SendAsync(new RecordBatch(0, 0, [SampleRecords.Write((ulong)i, i * 512)]), cancellation).AsTask();
            kept.Add((RecordBatch)(await replica.ReceiveAsync(cancellation))!);
            await sending;
        }

        foreach (var batch in kept) Assert.That(batch.Records[0].VerifyPayload, Throws.Nothing);
    }

    [Test, CancelAfter(30_000)]
    public async Task Memory_OfADisposedMessage_DoesNotReachThoseThatAreStillUsed(CancellationToken cancellation)
    {
        var (source, replica) = await WelcomedAsync(MemoryTransport.CreatePair(), cancellation);
        var kept = new List<RecordBatch>();
        for (var i = 1; i <= 100; i++)
        {
            var sending = source.SendAsync(new RecordBatch(0, 0, [SampleRecords.Write((ulong)i, 4096)]), cancellation).AsTask();
            var batch = (RecordBatch)(await replica.ReceiveAsync(cancellation))!;
            await sending;
            Assert.That(batch.Records[0].VerifyPayload, Throws.Nothing);
            if (i % 3 == 0) kept.Add(batch);
            else
            {
                batch.Dispose();
                batch.Dispose();
            }
        }

        foreach (var batch in kept) Assert.That(batch.Records[0].VerifyPayload, Throws.Nothing);
    }

    [Test, CancelAfter(30_000)]
    public async Task Finish_WithALastMessage_IsHeardAlthoughThePeerWasStillTalking(CancellationToken cancellation)
    {
        var (near, far) = await SocketPairs.ConnectAsync(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
        await using var source = new FramedConnection(near);
        for (var i = 0; i < 1000; i++) await source.SendAsync(new Ping((ulong)i), cancellation);
        var refusal = new Refusal(RefusalCode.Busy, "The group is open elsewhere.", "");
        var finishing = Task.Run(async () =>
        {
            await using var replica = new FramedConnection(far);
            await replica.FinishAsync(refusal, cancellation);
        }, cancellation);
        Assert.That(await source.ReceiveAsync(cancellation), Is.EqualTo(refusal));
        await source.DisposeAsync();
        await finishing;
    }

    private static async Task<(FramedConnection Source, FramedConnection Replica)> WelcomedAsync((MemoryTransport Source, MemoryTransport Replica) pair, CancellationToken cancellation)
    {
        var source = new FramedConnection(pair.Source);
        var replica = new FramedConnection(pair.Replica);
        var answering = Handshake.AnswerAsync(replica, Welcome, cancellation).AsTask();
        await Handshake.GreetAsync(source, Hello, cancellation);
        Assert.That(await answering, Is.Not.Null);
        return (source, replica);
    }

    private static byte[] Frame(byte[] body)
    {
        var frame = new byte[FrameLimits.HeadBytes + body.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, body.Length);
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(FrameLimits.ChecksumOffset), Crc32C.Compute(body));
        body.CopyTo(frame, FrameLimits.HeadBytes);
        return frame;
    }

    private static byte[] Encode(IMessage message)
    {
        using var writer = new MessagePackWriter();
        message.WriteTo(writer);
        return writer.WrittenSpan.ToArray();
    }
}
