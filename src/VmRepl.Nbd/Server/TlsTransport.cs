using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using VmRepl.Nbd.Transport;

namespace VmRepl.Nbd.Server;

/// <summary>A socket after STARTTLS.</summary>
internal sealed class TlsTransport : INbdTransport
{
    private readonly Socket socket;
    private readonly SslStream stream;

    /// <exception cref="NbdClientException">The handshake failed.</exception>
    /// <exception cref="IOException">The connection broke.</exception>
    public TlsTransport(Socket socket, SslServerAuthenticationOptions options)
    {
        this.socket = socket;
        stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
        try
        {
            stream.AuthenticateAsServer(options);
        }
        catch (Exception e) when (e is AuthenticationException or InvalidOperationException)
        {
            stream.Dispose();
            throw new NbdClientException($"the TLS handshake failed: {(e.InnerException ?? e).Message}");
        }
    }

    /// <summary>What the client showed; null where it showed nothing and need not.</summary>
    public X509Certificate2? Certificate => stream.RemoteCertificate is { } shown ? X509CertificateLoader.LoadCertificate(shown.GetRawCertData()) : null;

    public int Receive(Span<byte> buffer)
    {
        try
        {
            return stream.Read(buffer);
        }
        catch (Exception e) when (e is InvalidOperationException or AuthenticationException)
        {
            throw new IOException(e.Message, e);
        }
    }

    public void Send(ReadOnlySpan<byte> data)
    {
        try
        {
            stream.Write(data);
        }
        catch (Exception e) when (e is InvalidOperationException or AuthenticationException)
        {
            throw new IOException(e.Message, e);
        }
    }

    public void Abort()
    {
        try
        {
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It is over already.
        }
    }

    public void Dispose() => stream.Dispose();
}
