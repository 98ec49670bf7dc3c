using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;

namespace VmRepl.Nbd.Client;

/// <summary>The connection's bytes, in the clear or over TLS. One thread receives, one sends.</summary>
internal sealed class ClientStream : IDisposable
{
    private readonly Socket socket;
    private readonly string peer;
    private Stream stream;

    /// <exception cref="NbdException">Nobody answers there.</exception>
    public ClientStream(NbdAddress address, TimeSpan limit)
    {
        peer = address.ToString();
        socket = address.NewSocket();
        try
        {
            var connecting = socket.BeginConnect(address.EndPoint, null, null);
            if (!connecting.AsyncWaitHandle.WaitOne(limit)) throw new NbdException(peer, $"nobody answers within {limit.TotalSeconds} s");
            socket.EndConnect(connecting);
            if (address is NbdAddress.Tcp) socket.NoDelay = true;
        }
        catch (Exception e)
        {
            socket.Dispose();
            if (e is SocketException) throw new NbdException(peer, $"it cannot be connected to: {e.Message}", e);
            throw;
        }

        stream = new NetworkStream(socket, ownsSocket: true);
    }

    public string Peer => peer;

    /// <summary>Of each receive and send; zero for none.</summary>
    public TimeSpan Timeout
    {
        set => socket.ReceiveTimeout = socket.SendTimeout = (int)value.TotalMilliseconds;
    }

    public void StartTls(SslClientAuthenticationOptions options)
    {
        var secured = new SslStream(stream);
        stream = secured;
        try
        {
            secured.AuthenticateAsClient(options);
        }
        catch (Exception e) when (e is AuthenticationException or IOException)
        {
            throw new NbdException(peer, $"the TLS handshake failed: {(e.InnerException ?? e).Message}", e);
        }
    }

    public void Receive(Span<byte> target)
    {
        try
        {
            stream.ReadExactly(target);
        }
        catch (EndOfStreamException e)
        {
            throw new NbdException(peer, "it ended the connection", e);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        {
            throw new NbdException(peer, $"the connection broke: {e.Message}", e);
        }
    }

    public void Send(ReadOnlySpan<byte> data)
    {
        try
        {
            stream.Write(data);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        {
            throw new NbdException(peer, $"the connection broke: {e.Message}", e);
        }
    }

    /// <summary>Ends both directions: whoever waits in them comes back.</summary>
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
