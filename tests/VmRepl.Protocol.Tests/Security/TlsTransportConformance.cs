using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Security;
using VmRepl.Protocol.Tests.Connections;

namespace VmRepl.Protocol.Tests.Security;

public class TlsTransportConformance : TransportConformance
{
    protected override async Task<(ITransport Near, ITransport Far)> ConnectAsync()
    {
        using var authority = new TestAuthority();
        using var agent = authority.Issue("agent");
        using var replica = authority.Issue("replica");
        using var listener = new TlsListener();
        var accepting = listener.AcceptAsync(replica, CancellationToken.None);
        var near = await TlsTransport.ConnectAsync("127.0.0.1", listener.Port, agent, CancellationToken.None);
        return (near, await accepting);
    }
}
