using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using VmRepl.Nbd.Transport;

namespace VmRepl.Nbd.Client;

/// <summary>A connection to a server, in the clear until TLS is begun on it. Only blocking calls are made on the socket.</summary>
internal sealed class ClientTransport : INbdTransport
{
    /// <summary>Bytes that go to the TLS layer in one call; one record, so that a deadline is looked at between records.</summary>
    private const int TlsPieceBytes = 16 << 10;

    private static readonly TimeSpan FarewellMax = TimeSpan.FromSeconds(1);

    private readonly Socket socket;
    private SslStream? stream;

    public ClientTransport(Socket socket)
    {
        this.socket = socket;
        // Heads go out at once; a write's contents follow in the same call or right behind it.
        if (socket.ProtocolType == ProtocolType.Tcp) socket.NoDelay = true;
    }

    public bool IsTls => stream is not null;

    /// <summary>How long one receive and one send may take without an end. Zero: for ever.</summary>
    public void SetLimits(TimeSpan receive, TimeSpan send)
    {
        socket.ReceiveTimeout = (int)receive.TotalMilliseconds;
        socket.SendTimeout = (int)send.TotalMilliseconds;
    }

    /// <exception cref="AuthenticationException">The handshake failed.</exception>
    /// <exception cref="IOException">The connection broke.</exception>
    public void StartTls(SslClientAuthenticationOptions options)
    {
        var started = new SslStream(new NetworkStream(socket, ownsSocket: false));
        try
        {
            started.AuthenticateAsClient(options);
        }
        catch (Exception e)
        {
            started.Dispose();
            if (e is InvalidOperationException or NotSupportedException) throw new AuthenticationException(e.Message, e);
            throw;
        }

        stream = started;
    }

    public int Receive(Span<byte> buffer)
    {
        try
        {
            return stream?.Read(buffer) ?? socket.Receive(buffer);
        }
        catch (Exception e) when (IsEnd(e))
        {
            throw Broken(e, "nothing came in time");
        }
    }

    public void Send(ReadOnlySpan<byte> data) => Send(data, new Deadline(TimeSpan.FromHours(1)));

    /// <exception cref="IOException">The connection broke, or the server took too long to take it.</exception>
    public void Send(ReadOnlySpan<byte> data, Deadline deadline)
    {
        try
        {
            while (true)
            {
                if (stream is null)
                {
                    data = data[socket.Send(data)..];
                }
                else
                {
                    var piece = Math.Min(data.Length, TlsPieceBytes);
                    stream.Write(data[..piece]);
                    data = data[piece..];
                }

                if (data.Length == 0) return;
                if (deadline.IsOver) throw new IOException("it did not take the request in time");
            }
        }
        catch (Exception e) when (IsEnd(e))
        {
            throw Broken(e, "it did not take the request in time");
        }
    }

    /// <summary>Tells TLS of the end, which tells a cut connection from a closed one. Promises nothing.</summary>
    public void EndTls()
    {
        if (stream is null) return;
        try
        {
            stream.ShutdownAsync().Wait(FarewellMax);
        }
        catch (AggregateException)
        {
            // The server went first.
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

    public void Dispose()
    {
        stream?.Dispose();
        socket.Dispose();
    }

    private static bool IsEnd(Exception e) => e is SocketException or InvalidOperationException or AuthenticationException or IOException { InnerException: SocketException };

    private static IOException Broken(Exception e, string timedOut) =>
        new((e as SocketException ?? e.InnerException as SocketException)?.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock ? timedOut : e.Message, e);
}
