using System.Net.Sockets;
using VmRepl.Protocol.Connections;

namespace VmRepl.Protocol.Tests.Connections;

public class UnixTransportConformance : TransportConformance
{
    protected override async Task<(ITransport Near, ITransport Far)> ConnectAsync()
    {
        var directory = Directory.CreateTempSubdirectory("vmrepl-protocol-");
        try
        {
            return await SocketPairs.ConnectAsync(new UnixDomainSocketEndPoint(Path.Combine(directory.FullName, "socket")));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }
}
