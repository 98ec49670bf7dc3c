using System.Net;
using System.Net.Sockets;
using VmRepl.Protocol.Connections;

namespace VmRepl.Protocol.Tests.Connections;

internal static class SocketPairs
{
    public static async Task<(ITransport Near, ITransport Far)> ConnectAsync(EndPoint endPoint)
    {
        var isUnix = endPoint is UnixDomainSocketEndPoint;
        using var listener = new Socket(endPoint.AddressFamily, SocketType.Stream, isUnix ? ProtocolType.Unspecified : ProtocolType.Tcp);
        listener.Bind(endPoint);
        listener.Listen();
        var accepting = listener.AcceptAsync();
        var near = await SocketTransport.ConnectAsync(listener.LocalEndPoint!, CancellationToken.None);
        return (near, new SocketTransport(await accepting));
    }
}
