using System.Net;
using VmRepl.Protocol.Connections;

namespace VmRepl.Protocol.Tests.Connections;

public class TcpTransportConformance : TransportConformance
{
    protected override async Task<(ITransport Near, ITransport Far)> ConnectAsync() => await SocketPairs.ConnectAsync(new IPEndPoint(IPAddress.IPv6Loopback, 0));
}
