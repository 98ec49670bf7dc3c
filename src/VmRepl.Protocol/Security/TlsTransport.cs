using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;

namespace VmRepl.Protocol.Security;

/// <summary>
/// TLS 1.3 or 1.2 with certificates on both sides. One that comes out of <see cref="ConnectAsync"/> or <see cref="AcceptAsync"/> has a peer
/// that was verified; there is no other way to get one.
/// </summary>
/// <remarks>
/// In TLS 1.3 the dialling side is done before the listening side has seen its certificate, and would learn of a refusal only as a broken
/// connection; and a dialler that refuses just goes away. So each side finishes the handshake whatever it was shown, looks at its verdict before
/// anything else, says why in a <see cref="Refusal"/>, closes, and hands nothing out. Not a byte of an unverified peer is ever parsed.
/// </remarks>
public sealed class TlsTransport : ITransport
{
    private const string NoCertificate = "it showed no certificate";

    // How long a refused peer may take to hear why.
    private const int RefusalTimeoutMs = 1000;

    private readonly Socket socket;
    private readonly SslStream stream;
    private readonly bool isDialler;
    private bool hasReceived;

    private TlsTransport(Socket socket, SslStream stream, string peer, PeerIdentity identity, bool isDialler)
    {
        this.socket = socket;
        this.stream = stream;
        this.isDialler = isDialler;
        Peer = peer;
        Identity = identity;
    }

    public string Peer { get; }

    /// <summary>Who the peer is by its certificate.</summary>
    public PeerIdentity Identity { get; }

    /// <summary>The version of TLS that was agreed on.</summary>
    public SslProtocols Protocol => stream.SslProtocol;

    /// <summary>Dials and verifies who answers.</summary>
    /// <param name="host">What was asked for, a DNS name or an IP address: the certificate has to name it.</param>
    /// <exception cref="ConnectionLostException">Nobody answers there, or it broke off.</exception>
    /// <exception cref="PeerAuthenticationException">Whoever answers is not who was dialled.</exception>
    public static async ValueTask<TlsTransport> ConnectAsync(string host, int port, PeerCertificates certificates, CancellationToken cancellation)
    {
        EndPoint endPoint = IPAddress.TryParse(host, out var address) ? new IPEndPoint(address, port) : new DnsEndPoint(host, port);
        var peer = SocketOptions.NameOf(endPoint);
        var socket = await SocketOptions.ConnectAsync(endPoint, peer, cancellation).ConfigureAwait(false);
        SocketOptions.Apply(socket);
        var verification = new PeerVerification(host);
        var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
        try
        {
            var options = certificates.ClientOptions(host, (_, shown, chain, errors) => verification.Note(shown, chain, errors));
            await stream.AuthenticateAsClientAsync(options, cancellation).ConfigureAwait(false);
            if (verification is { Problem: null, Identity: { } identity }) return new TlsTransport(socket, stream, peer, identity, isDialler: true);

            const string hint = "Have the replica's certificate issued by the authority that the agent was given, for the name or address that is dialled.";
            var problem = verification.Problem ?? NoCertificate;
            await RefuseAsync(stream, peer, new Refusal(RefusalCode.Certificate, $"the agent does not take this replica's certificate: {problem}", hint), cancellation).ConfigureAwait(false);
            throw new PeerAuthenticationException(peer, problem, hint);
        }
        catch (Exception fault)
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            if (fault is AuthenticationException)
                throw new PeerAuthenticationException(peer, $"the TLS handshake failed: {Innermost(fault)}", "Check that the peer is a replica with certificates.", fault);
            if (fault is IOException or SocketException) throw new ConnectionLostException(peer, $"the TLS handshake broke off, as it does where the other side was given no certificates: {Innermost(fault)}", fault);
            throw;
        }
    }

    /// <summary>Verifies whoever dialled. A peer that is refused is told why.</summary>
    /// <param name="socket">Just accepted; belongs to the transport from here on, and is closed where none comes about.</param>
    /// <exception cref="ConnectionLostException">It broke off.</exception>
    /// <exception cref="PeerAuthenticationException">The peer's certificate is missing or not good, or the peer would not have ours.</exception>
    public static async ValueTask<TlsTransport> AcceptAsync(Socket socket, PeerCertificates certificates, CancellationToken cancellation)
    {
        var peer = SocketOptions.NameOf(socket);
        SocketOptions.Apply(socket);
        var verification = new PeerVerification(expectedHost: null);
        var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
        try
        {
            var options = certificates.ServerOptions((_, shown, chain, errors) => verification.Note(shown, chain, errors));
            await stream.AuthenticateAsServerAsync(options, cancellation).ConfigureAwait(false);
            if (verification is { Problem: null, Identity: { } identity } && stream.IsMutuallyAuthenticated)
                return new TlsTransport(socket, stream, peer, identity, isDialler: false);

            var problem = verification.Problem ?? NoCertificate;
            const string hint = "Have the agent's certificate issued by the authority that the replica was given.";
            await RefuseAsync(stream, peer, new Refusal(RefusalCode.Certificate, $"the replica does not take this agent's certificate: {problem}", hint), cancellation).ConfigureAwait(false);
            throw new PeerAuthenticationException(peer, problem, hint);
        }
        catch (Exception fault)
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            if (fault is AuthenticationException)
            {
                throw new PeerAuthenticationException(
                    peer, $"the TLS handshake failed: {Innermost(fault)}", "If the peer does not trust this certificate, its message says so.", fault);
            }

            if (fault is IOException and not ConnectionLostException or SocketException)
                throw new ConnectionLostException(peer, $"the TLS handshake broke off: {Innermost(fault)}", fault);
            throw;
        }
    }

    public async ValueTask SendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation)
    {
        try
        {
            await stream.WriteAsync(data, cancellation).ConfigureAwait(false);
        }
        catch (Exception fault) when (IsLoss(fault))
        {
            throw new ConnectionLostException(Peer, SocketOptions.Describe("could not send", fault), fault);
        }
    }

    public async ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        try
        {
            var count = await stream.ReadAsync(buffer, cancellation).ConfigureAwait(false);
            hasReceived |= count > 0;
            return count;
        }
        catch (Exception fault) when (IsLoss(fault))
        {
            var what = isDialler && !hasReceived
                ? "the peer broke it off before its first word, which is how one refuses a certificate in TLS 1.3; its log says whether it did"
                : "could not receive";
            throw new ConnectionLostException(Peer, SocketOptions.Describe(what, fault), fault);
        }
    }

    public ValueTask DisposeAsync()
    {
        // Not the stream's own goodbye: it would wait for a send that may be stuck. Frames say for themselves where they end.
        SocketOptions.Close(socket);
        return stream.DisposeAsync();
    }

    private static bool IsLoss(Exception fault) => fault is IOException or SocketException or ObjectDisposedException or AuthenticationException or InvalidOperationException;

    private static string Innermost(Exception fault)
    {
        while (fault.InnerException is { } inner) fault = inner;
        return fault.Message;
    }

    private static async ValueTask RefuseAsync(SslStream stream, string peer, Refusal refusal, CancellationToken cancellation)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(RefusalTimeoutMs);
        await using var connection = new FramedConnection(new OpenStreamTransport(stream, peer));
        await connection.FinishAsync(refusal, deadline.Token).ConfigureAwait(false);
    }

    // Sends over the stream and leaves it open.
    private sealed class OpenStreamTransport(SslStream stream, string peer) : ITransport
    {
        public string Peer => peer;

        public ValueTask SendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation) => stream.WriteAsync(data, cancellation);

        public ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellation) => stream.ReadAsync(buffer, cancellation);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
