using VmRepl.Protocol.Connections;

namespace VmRepl.Protocol.Tests.Connections;

public class CuttingTransportTests
{
    [Test, CancelAfter(10_000)]
    public async Task Send_AcrossTheCut_DeliversExactlyUpToItAndFailsBothWays(CancellationToken cancellation)
    {
        var (inner, far) = MemoryTransport.CreatePair();
        var near = new CuttingTransport(inner, 7, 100);
        await near.SendAsync("hello"u8.ToArray(), cancellation);
        Assert.That(async () => await near.SendAsync("world"u8.ToArray(), cancellation), Throws.InstanceOf<ConnectionLostException>().With.Message.Contains("7 bytes sent"));
        Assert.That(near.IsCut, Is.True);
        Assert.That(async () => await near.ReceiveAsync(new byte[1], cancellation), Throws.InstanceOf<ConnectionLostException>());

        var arrived = new byte[100];
        Assert.That(await far.ReceiveAsync(arrived, cancellation), Is.EqualTo(7));
        Assert.That(arrived[..7], Is.EqualTo("hellowo"u8.ToArray()));
        Assert.That(await far.ReceiveAsync(arrived, cancellation), Is.Zero);
        Assert.That(async () => await far.SendAsync(arrived, cancellation), Throws.InstanceOf<ConnectionLostException>());
    }

    [Test, CancelAfter(10_000)]
    public async Task Receive_BeyondTheCut_FailsBothWays(CancellationToken cancellation)
    {
        var (inner, far) = MemoryTransport.CreatePair();
        var near = new CuttingTransport(inner, 100, 3);
        await far.SendAsync("hello"u8.ToArray(), cancellation);
        var arrived = new byte[100];
        Assert.That(await near.ReceiveAsync(arrived, cancellation), Is.EqualTo(3));
        Assert.That(async () => await near.ReceiveAsync(arrived, cancellation), Throws.InstanceOf<ConnectionLostException>());
        Assert.That(async () => await near.SendAsync(arrived, cancellation), Throws.InstanceOf<ConnectionLostException>());
    }

    [Test, CancelAfter(10_000)]
    public void Cut_WhileTheOtherDirectionWaits_EndsThatToo(CancellationToken cancellation)
    {
        var (inner, _) = MemoryTransport.CreatePair();
        var near = new CuttingTransport(inner, 0, 100);
        var receiving = near.ReceiveAsync(new byte[1], cancellation).AsTask();
        Assert.That(async () => await near.SendAsync(new byte[1], cancellation), Throws.InstanceOf<ConnectionLostException>());
        Assert.That(async () => await receiving, Throws.InstanceOf<ConnectionLostException>());
    }
}
