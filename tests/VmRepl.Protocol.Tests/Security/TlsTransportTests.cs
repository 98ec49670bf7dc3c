using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Security;

namespace VmRepl.Protocol.Tests.Security;

public class TlsTransportTests
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    private static readonly Hello Hello = new(1, 1, [], Guid.Empty, "agent", Protocol.Messages.Hello.Replicate);
    private static readonly Welcome Welcome = new(1, [], Guid.Empty, 1, "replica");

    private readonly TestAuthority authority = new();
    private readonly TestAuthority stranger = new();
    private TlsListener listener = null!;

    [SetUp]
    public void Listen() => listener = new TlsListener();

    [TearDown]
    public void StopListening() => listener.Dispose();

    [OneTimeTearDown]
    public void Forget()
    {
        authority.Dispose();
        stranger.Dispose();
    }

    [Test, CancelAfter(20_000)]
    public async Task Peers_OfOneAuthority_KnowEachOther(CancellationToken cancellation)
    {
        using var agent = authority.Issue("agent-7", groups: ["web", "mail"]);
        using var replica = authority.Issue("replica-1");
        var accepting = listener.AcceptAsync(replica, cancellation);
        await using var near = await TlsTransport.ConnectAsync("localhost", listener.Port, agent, cancellation);
        await using var far = await accepting;
        Assert.That((near.Identity.Subject, far.Identity.Subject), Is.EqualTo(("CN=replica-1", "CN=agent-7")));
        Assert.That(far.Identity.Groups, Is.EqualTo(new[] { "mail", "web" }));
        Assert.That(near.Protocol, Is.EqualTo(SslProtocols.Tls13).Or.EqualTo(SslProtocols.Tls12));

        await using var source = new FramedConnection(near);
        await using var answerer = new FramedConnection(far);
        var answering = Handshake.AnswerAsync(answerer, Welcome, cancellation).AsTask();
        Assert.That((await Handshake.GreetAsync(source, Hello, cancellation)).Software, Is.EqualTo("replica"));
        Assert.That(await answering, Is.Not.Null);
    }

    [Test, CancelAfter(20_000)]
    public async Task Agent_OfAnotherAuthority_IsRefusedOnBothSides(CancellationToken cancellation)
    {
        using var agent = stranger.Issue("agent", trust: authority.Pem);
        await AssertAgentRefusedAsync(agent, "was not issued by the configured authority", cancellation);
    }

    [Test, CancelAfter(20_000)]
    public async Task Agent_WhoseCertificateExpired_IsRefusedOnBothSides(CancellationToken cancellation)
    {
        using var agent = authority.Issue("agent", from: DateTimeOffset.UtcNow.AddDays(-20), until: DateTimeOffset.UtcNow.AddDays(-10));
        await AssertAgentRefusedAsync(agent, "holds from", cancellation);
    }

    [Test, CancelAfter(20_000)]
    public async Task Agent_WhoseCertificateIsNotValidYet_IsRefusedOnBothSides(CancellationToken cancellation)
    {
        using var agent = authority.Issue("agent", from: DateTimeOffset.UtcNow.AddDays(1));
        await AssertAgentRefusedAsync(agent, "holds from", cancellation);
    }

    [Test, CancelAfter(20_000)]
    public async Task Agent_WithAServersCertificate_IsRefusedOnBothSides(CancellationToken cancellation)
    {
        using var agent = authority.Issue("agent", purpose: ServerAuthentication);
        await AssertAgentRefusedAsync(agent, "clientAuth", cancellation);
    }

    [Test, CancelAfter(20_000)]
    public async Task Agent_WithNoCertificate_IsToldWhyAndGetsNothing(CancellationToken cancellation)
    {
        using var replica = authority.Issue("replica");
        var accepting = listener.AcceptAsync(replica, cancellation);
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, listener.Port, cancellation);
        await using var stream = new SslStream(new NetworkStream(socket), false, (_, _, _, _) => socket.Connected);
        await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost" }, cancellation);

        await using var connection = new FramedConnection(new PlainStreamTransport(stream));
        var refusal = await connection.ReceiveAsync(cancellation) as Refusal;
        Assert.That(refusal?.Code, Is.EqualTo(RefusalCode.Certificate));
        Assert.That(refusal!.Message, Does.Contain("showed no certificate"));
        await stream.DisposeAsync();
        socket.Dispose();
        Assert.That(async () => await accepting, Throws.InstanceOf<PeerAuthenticationException>().With.Message.Contains("showed no certificate"));
    }

    [Test, CancelAfter(20_000)]
    public async Task Agent_WithNoTlsAtAll_IsRefused(CancellationToken cancellation)
    {
        using var replica = authority.Issue("replica");
        var accepting = listener.AcceptAsync(replica, cancellation);
        var plain = await SocketTransport.ConnectAsync(new IPEndPoint(IPAddress.Loopback, listener.Port), cancellation);
        await using var connection = new FramedConnection(plain);
        await connection.SendAsync(Hello, cancellation);
        Assert.That(async () => await accepting, Throws.InstanceOf<PeerAuthenticationException>().Or.InstanceOf<ConnectionLostException>());
    }

    [Test, CancelAfter(20_000)]
    public void Replica_OfAnotherAuthority_IsRefusedOnBothSides(CancellationToken cancellation)
    {
        using var replica = stranger.Issue("replica", trust: authority.Pem);
        AssertReplicaRefused(replica, "localhost", "was not issued by the configured authority", cancellation);
    }

    [Test, CancelAfter(20_000)]
    public void Replica_WhoseCertificateExpired_IsRefusedOnBothSides(CancellationToken cancellation)
    {
        using var replica = authority.Issue("replica", from: DateTimeOffset.UtcNow.AddDays(-20), until: DateTimeOffset.UtcNow.AddDays(-10));
        AssertReplicaRefused(replica, "localhost", "holds from", cancellation);
    }

    [TestCase("localhost", "replica.example", "127.0.0.1")]
    [TestCase("127.0.0.1", "localhost", "10.0.0.1")]
    [TestCase("127.0.0.1", "localhost", "replica")]
    [CancelAfter(20_000)]
    public void Replica_WithoutTheNameThatWasDialled_IsRefusedOnBothSides(string dialled, string first, string second, CancellationToken cancellation)
    {
        // The common name is what was dialled: it must not count.
        using var replica = authority.Issue(dialled, hosts: [first, second]);
        AssertReplicaRefused(replica, dialled, "name", cancellation);
    }

    [Test, CancelAfter(20_000)]
    public async Task Agent_AllowedForOneGroup_IsRefusedAnother(CancellationToken cancellation)
    {
        using var agent = authority.Issue("agent", groups: ["web"]);
        using var replica = authority.Issue("replica");
        var serving = Task.Run(async () =>
        {
            var transport = await listener.AcceptAsync(replica, cancellation);
            await using var connection = new FramedConnection(transport);
            await Handshake.AnswerAsync(connection, Welcome, cancellation);
            while (await connection.ReceiveAsync(cancellation) is OpenGroup open)
            {
                await connection.SendAsync(
                    transport.Identity.MayOpen(open.Group)
                        ? new GroupState("baseline", 0, 0, 0, 1, 0, 0)
                        : new Refusal(RefusalCode.NotAllowed, $"{transport.Identity.Subject} may not open group {open.Group}.", "Have it issued with vmrepl:group:" + open.Group),
                    cancellation);
            }
        }, cancellation);
        await using (var source = new FramedConnection(await TlsTransport.ConnectAsync("localhost", listener.Port, agent, cancellation)))
        {
            await Handshake.GreetAsync(source, Hello, cancellation);
            await source.SendAsync(new OpenGroup("web", Guid.Empty, 1, [], true), cancellation);
            Assert.That(await source.ReceiveAsync(cancellation), Is.InstanceOf<GroupState>());
            await source.SendAsync(new OpenGroup("mail", Guid.Empty, 1, [], true), cancellation);
            var refusal = await source.ReceiveAsync(cancellation) as Refusal;
            Assert.That((refusal?.Code, refusal?.Message), Is.EqualTo((RefusalCode.NotAllowed, "CN=agent may not open group mail.")));
        }

        await serving;
    }

    [Test, CancelAfter(20_000)]
    public void Connect_WhereNobodyListens_IsALostConnection(CancellationToken cancellation)
    {
        using var agent = authority.Issue("agent");
        var port = listener.Port;
        listener.Dispose();
        Assert.That(async () => await TlsTransport.ConnectAsync("127.0.0.1", port, agent, cancellation),
            Throws.InstanceOf<ConnectionLostException>().With.Message.Contains($"127.0.0.1:{port}"));
    }

    [Test, CancelAfter(20_000)]
    public async Task Connect_ToAPeerThatSaysNothing_CanBeCancelled(CancellationToken cancellation)
    {
        using var agent = authority.Issue("agent");
        using var soon = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var connecting = TlsTransport.ConnectAsync("127.0.0.1", listener.Port, agent, soon.Token).AsTask();
        await soon.CancelAsync();
        Assert.That(async () => await connecting, Throws.InstanceOf<OperationCanceledException>());
    }

    private async Task AssertAgentRefusedAsync(PeerCertificates agent, string reason, CancellationToken cancellation)
    {
        using var replica = authority.Issue("replica");
        var accepting = listener.AcceptAsync(replica, cancellation);
        await using (var source = new FramedConnection(await TlsTransport.ConnectAsync("localhost", listener.Port, agent, cancellation)))
        {
            var refused = Assert.ThrowsAsync<RefusedException>(async () => await Handshake.GreetAsync(source, Hello, cancellation))!;
            Assert.That(refused.Code, Is.EqualTo(RefusalCode.Certificate));
            Assert.That(refused.Message, Does.Contain("CN=agent").And.Contain(reason));
            Assert.That(refused.Hint, Is.Not.Empty);
        }

        var seen = Assert.ThrowsAsync<PeerAuthenticationException>(async () => await accepting)!;
        Assert.That(seen.Message, Does.Contain("CN=agent").And.Contain(reason));
    }

    private void AssertReplicaRefused(PeerCertificates replica, string dialled, string reason, CancellationToken cancellation)
    {
        using var agent = authority.Issue("agent");
        var answering = Task.Run(async () =>
        {
            await using var connection = new FramedConnection(await listener.AcceptAsync(replica, cancellation));
            await Handshake.AnswerAsync(connection, Welcome, cancellation);
        }, cancellation);
        var refused = Assert.ThrowsAsync<PeerAuthenticationException>(async () => await TlsTransport.ConnectAsync(dialled, listener.Port, agent, cancellation))!;
        Assert.That(refused.Message, Does.Contain(reason));
        Assert.That(refused.Hint, Is.Not.Empty);
        var told = Assert.ThrowsAsync<RefusedException>(async () => await answering)!;
        Assert.That((told.Code, told.Message), Is.EqualTo((RefusalCode.Certificate, $"the agent does not take this replica's certificate: {refused.Message.Split(": ", 2)[1]}")));
    }
}
