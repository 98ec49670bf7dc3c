using System.Net;
using System.Net.Sockets;

namespace VmRepl.Protocol.Connections;

/// <summary>What all sockets of the protocol have in common.</summary>
internal static class SocketOptions
{
    private const int BufferBytes = 1 << 20;

    /// <summary>No delay: a frame is sent whole, so there is nothing for Nagle's algorithm to wait for.</summary>
    public static void Apply(Socket socket)
    {
        if (socket.ProtocolType == ProtocolType.Tcp) socket.NoDelay = true;
        if (socket.AddressFamily == AddressFamily.Unix)
        {
            // TCP tunes its own windows and is only held back by a fixed size.
            socket.SendBufferSize = BufferBytes;
            socket.ReceiveBufferSize = BufferBytes;
        }
    }

    public static async ValueTask<Socket> ConnectAsync(EndPoint endPoint, string peer, CancellationToken cancellation)
    {
        Socket? socket = null;
        try
        {
            // A name may have addresses of both families; the socket of no family tries them all.
            socket = endPoint switch
            {
                UnixDomainSocketEndPoint => new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified),
                DnsEndPoint => new Socket(SocketType.Stream, ProtocolType.Tcp),
                _ => new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp),
            };
            await socket.ConnectAsync(endPoint, cancellation).ConfigureAwait(false);
            return socket;
        }
        catch (Exception fault)
        {
            socket?.Dispose();
            if (fault is SocketException) throw new ConnectionLostException(peer, Describe("could not connect", fault), fault);
            throw;
        }
    }

    /// <summary>Says goodbye first, so that what was sent still arrives.</summary>
    public static void Close(Socket socket)
    {
        try
        {
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception fault) when (fault is SocketException or ObjectDisposedException)
        {
            // It was over before; there is nobody left to tell.
        }

        socket.Dispose();
    }

    public static string NameOf(Socket socket)
    {
        try
        {
            return NameOf(socket.RemoteEndPoint);
        }
        catch (SocketException)
        {
            return "a peer that is gone";
        }
    }

    public static string NameOf(EndPoint? endPoint) => endPoint switch
    {
        DnsEndPoint named => $"{named.Host}:{named.Port}",
        UnixDomainSocketEndPoint local => local.ToString() is { Length: > 0 } path ? path : "a local peer",
        null => "a local peer",
        _ => endPoint.ToString() ?? "a peer",
    };

    public static string Describe(string what, Exception fault) =>
        fault is ObjectDisposedException ? $"{what}, it was closed on this side" : $"{what}: {fault.Message}";
}
