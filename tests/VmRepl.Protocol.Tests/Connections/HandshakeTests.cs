using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;

namespace VmRepl.Protocol.Tests.Connections;

public class HandshakeTests
{
    private static readonly Hello Hello = new(1, 1, ["lanes", "zstd"], Guid.NewGuid(), "agent", Protocol.Messages.Hello.Replicate);
    private static readonly Welcome Offer = new(ProtocolVersion.Current, ["new", "zstd"], Guid.NewGuid(), 3, "replica");

    private FramedConnection source = null!;
    private FramedConnection replica = null!;

    [SetUp]
    public void Connect()
    {
        var (near, far) = MemoryTransport.CreatePair();
        source = new FramedConnection(near);
        replica = new FramedConnection(far);
    }

    [TearDown]
    public async Task Disconnect()
    {
        await source.DisposeAsync();
        await replica.DisposeAsync();
    }

    [Test, CancelAfter(10_000)]
    public async Task Hello_OfACommonVersion_IsWelcomedWithWhatBothCan(CancellationToken cancellation)
    {
        var answering = Handshake.AnswerAsync(replica, Offer, cancellation).AsTask();
        var welcome = await Handshake.GreetAsync(source, Hello with { ProtocolMax = 9 }, cancellation);
        var answered = await answering;
        Assert.That((welcome.Protocol, welcome.StoreId, welcome.Incarnation), Is.EqualTo((1, Offer.StoreId, 3UL)));
        Assert.That(welcome.Capabilities, Is.EqualTo(new[] { "zstd" }));
        Assert.That(answered!.Value.Hello.AgentId, Is.EqualTo(Hello.AgentId));
        Assert.That(answered.Value.Welcome.Capabilities, Is.EqualTo(new[] { "zstd" }));
    }

    [Test, CancelAfter(10_000)]
    public void Hello_OfAnotherVersion_IsRefusedOnBothSides(CancellationToken cancellation)
    {
        var answering = Handshake.AnswerAsync(replica, Offer, cancellation).AsTask();
        var refused = Assert.ThrowsAsync<RefusedException>(async () => await Handshake.GreetAsync(source, Hello with { ProtocolMin = 2, ProtocolMax = 4 }, cancellation))!;
        Assert.That(refused.Code, Is.EqualTo(RefusalCode.Version));
        Assert.That(refused.Message, Does.Contain("speaks 2 to 4"));
        Assert.That(refused.Hint, Is.Not.Empty);
        Assert.That(async () => await answering, Throws.InstanceOf<RefusedException>());
    }

    [Test, CancelAfter(10_000)]
    public async Task Answer_OfAnythingElse_IsRefused(CancellationToken cancellation)
    {
        await source.SendAsync(new ListGroups(), cancellation);
        Assert.That(async () => await Handshake.AnswerAsync(replica, Offer, cancellation), Throws.InstanceOf<ProtocolException>().With.Message.Contains("ListGroups"));
    }

    [Test, CancelAfter(10_000)]
    public async Task Welcome_OfWhatWasNotOffered_IsRefused(CancellationToken cancellation)
    {
        await replica.SendAsync(Offer with { Protocol = 2, Capabilities = [] }, cancellation);
        Assert.That(async () => await Handshake.GreetAsync(source, Hello, cancellation), Throws.InstanceOf<ProtocolException>().With.Property("Field").EqualTo("welcome protocol"));
    }

    [Test, CancelAfter(10_000)]
    public async Task Welcome_WithACapabilityNobodyNamed_IsRefused(CancellationToken cancellation)
    {
        await replica.SendAsync(Offer with { Capabilities = ["new"] }, cancellation);
        Assert.That(async () => await Handshake.GreetAsync(source, Hello, cancellation), Throws.InstanceOf<ProtocolException>().With.Message.Contains("new"));
    }

    [Test, CancelAfter(10_000)]
    public async Task Peer_ThatClosesWithoutAWord_IsALostConnection(CancellationToken cancellation)
    {
        var greeting = Handshake.GreetAsync(source, Hello, cancellation).AsTask();
        await replica.DisposeAsync();
        Assert.That(async () => await greeting, Throws.InstanceOf<ConnectionLostException>().With.Message.Contains("before the peer said welcome"));
    }

    [Test, CancelAfter(10_000)]
    public async Task Peer_ThatRefusedAndClosedBeforeTheHello_IsHeard(CancellationToken cancellation)
    {
        await replica.SendAsync(new Refusal(RefusalCode.Certificate, "No.", ""), cancellation);
        await replica.DisposeAsync();
        Assert.That(async () => await Handshake.GreetAsync(source, Hello, cancellation), Throws.InstanceOf<RefusedException>().With.Message.EqualTo("No."));
    }

    [Test, CancelAfter(10_000)]
    public async Task Dialler_ThatClosesWithoutAWord_IsNoError(CancellationToken cancellation)
    {
        await source.DisposeAsync();
        Assert.That(await Handshake.AnswerAsync(replica, Offer, cancellation), Is.Null);
    }
}
