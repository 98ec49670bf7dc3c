using System.Net.Sockets;
using VmRepl.Nbd.Transport;

namespace VmRepl.Nbd.Server;

/// <summary>A socket in the clear. Only blocking calls are made on it: the first asynchronous one would make each later call wait in two steps.</summary>
internal sealed class SocketTransport(Socket socket) : INbdTransport
{
    public int Receive(Span<byte> buffer)
    {
        try
        {
            return socket.Receive(buffer);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            throw new IOException(Reason(e, "nothing came in time"), e);
        }
    }

    public void Send(ReadOnlySpan<byte> data)
    {
        try
        {
            while (data.Length > 0) data = data[socket.Send(data)..];
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            throw new IOException(Reason(e, "it takes no more of its answers"), e);
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

    public void Dispose() => socket.Dispose();

    private static string Reason(Exception e, string timedOut) => e is SocketException { SocketErrorCode: SocketError.TimedOut or SocketError.WouldBlock } ? timedOut : e.Message;
}
