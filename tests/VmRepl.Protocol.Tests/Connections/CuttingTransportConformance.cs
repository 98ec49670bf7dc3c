using VmRepl.Protocol.Connections;

namespace VmRepl.Protocol.Tests.Connections;

public class CuttingTransportConformance : TransportConformance
{
    protected override Task<(ITransport Near, ITransport Far)> ConnectAsync()
    {
        var (source, replica) = MemoryTransport.CreatePair();
        return Task.FromResult<(ITransport, ITransport)>((new CuttingTransport(source, long.MaxValue, long.MaxValue), replica));
    }
}
