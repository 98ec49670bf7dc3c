using System.Net;
using System.Net.Sockets;
using VmRepl.Protocol.Security;

namespace VmRepl.Protocol.Tests.Security;

/// <summary>Listens on loopback and takes one connection after the other.</summary>
internal sealed class TlsListener : IDisposable
{
    private readonly Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    public TlsListener()
    {
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
    }

    public int Port => ((IPEndPoint)listener.LocalEndPoint!).Port;

    public async Task<TlsTransport> AcceptAsync(PeerCertificates certificates, CancellationToken cancellation) =>
        await TlsTransport.AcceptAsync(await listener.AcceptAsync(cancellation), certificates, cancellation);

    public void Dispose() => listener.Dispose();
}
