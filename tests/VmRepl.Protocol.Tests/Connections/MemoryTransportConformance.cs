using VmRepl.Protocol.Connections;

namespace VmRepl.Protocol.Tests.Connections;

public class MemoryTransportConformance : TransportConformance
{
    protected override Task<(ITransport Near, ITransport Far)> ConnectAsync()
    {
        var (source, replica) = MemoryTransport.CreatePair(1000);
        return Task.FromResult<(ITransport, ITransport)>((source, replica));
    }
}
