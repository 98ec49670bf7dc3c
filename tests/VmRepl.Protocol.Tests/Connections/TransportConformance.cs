using VmRepl.Protocol.Connections;

namespace VmRepl.Protocol.Tests.Connections;

/// <summary>What every transport promises; each implementation runs all of it.</summary>
public abstract class TransportConformance
{
    private ITransport near = null!;
    private ITransport far = null!;

    protected abstract Task<(ITransport Near, ITransport Far)> ConnectAsync();

    [SetUp]
    public async Task Connect() => (near, far) = await ConnectAsync();

    [TearDown]
    public async Task Disconnect()
    {
        await near.DisposeAsync();
        await far.DisposeAsync();
    }

    [Test, CancelAfter(30_000)]
    public async Task Bytes_SentBothWaysAtOnce_ArriveInOrder(CancellationToken cancellation)
    {
        var forth = new byte[5_000_001];
        var back = new byte[3_000_007];
        new Random(1).NextBytes(forth);
        new Random(2).NextBytes(back);
        var sending = near.SendAsync(forth, cancellation).AsTask();
        var answering = far.SendAsync(back, cancellation).AsTask();
        var arrivedForth = ReceiveAllAsync(far, forth.Length, cancellation);
        var arrivedBack = ReceiveAllAsync(near, back.Length, cancellation);
        await Task.WhenAll(sending, answering, arrivedForth, arrivedBack);
        Assert.That((await arrivedForth).AsSpan().SequenceEqual(forth), Is.True);
        Assert.That((await arrivedBack).AsSpan().SequenceEqual(back), Is.True);
    }

    [Test, CancelAfter(30_000)]
    public async Task Close_AfterASend_DeliversAndThenEnds(CancellationToken cancellation)
    {
        await near.SendAsync("last words"u8.ToArray(), cancellation);
        await near.DisposeAsync();
        Assert.That(await ReceiveAllAsync(far, 10, cancellation), Is.EqualTo("last words"u8.ToArray()));
        Assert.That(await far.ReceiveAsync(new byte[10], cancellation), Is.Zero);
    }

    [Test, CancelAfter(30_000)]
    public async Task Send_ToAPeerThatClosed_BecomesAConnectionLost(CancellationToken cancellation)
    {
        await far.DisposeAsync();
        var large = new byte[1 << 20];
        var fault = Assert.ThrowsAsync<ConnectionLostException>(async () =>
        {
            while (true) await near.SendAsync(large, cancellation);
        })!;
        Assert.That(fault.Peer, Is.EqualTo(near.Peer).And.Not.Empty);
    }

    [Test, CancelAfter(30_000)]
    public async Task Dispose_WhileReceiving_EndsTheReceive(CancellationToken cancellation)
    {
        var receiving = near.ReceiveAsync(new byte[10], cancellation).AsTask();
        await near.DisposeAsync();
        try
        {
            Assert.That(await receiving, Is.Zero);
        }
        catch (ConnectionLostException)
        {
            // Either is an end.
        }

        Assert.That(async () => await near.SendAsync(new byte[10], cancellation), Throws.InstanceOf<ConnectionLostException>());
    }

    [Test, CancelAfter(30_000)]
    public async Task Send_NobodyReceives_WaitsAndCanBeCancelled(CancellationToken cancellation)
    {
        using var soon = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var sending = near.SendAsync(new byte[256 << 20], soon.Token).AsTask();
        await soon.CancelAsync();
        Assert.That(async () => await sending, Throws.InstanceOf<OperationCanceledException>());
    }

    private static async Task<byte[]> ReceiveAllAsync(ITransport transport, int length, CancellationToken cancellation)
    {
        var all = new byte[length];
        for (var filled = 0; filled < length;)
        {
            var count = await transport.ReceiveAsync(all.AsMemory(filled), cancellation);
            Assert.That(count, Is.GreaterThan(0), $"ended after {filled} of {length}");
            filled += count;
        }

        return all;
    }
}
