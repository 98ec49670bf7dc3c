using System.Net;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Security;

namespace VmRepl.Replication.Source;

/// <summary>Connects to a replica over TCP: with mutual TLS where there are certificates, in the clear only on this host.</summary>
/// <param name="certificates">Null for a plain connection.</param>
public sealed class TcpConnector(string host, int port, PeerCertificates? certificates) : IReplicaConnector
{
    public string Peer { get; } = host.Contains(':', StringComparison.Ordinal) ? $"[{host}]:{port}" : $"{host}:{port}";

    /// <summary>Whether the disks' contents would cross a network in the clear.</summary>
    public bool IsUnsafe => certificates is null && host != "localhost" && !(IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));

    public async Task<FramedConnection> ConnectAsync(CancellationToken cancellation)
    {
        if (certificates is not null) return new FramedConnection(await TlsTransport.ConnectAsync(host, port, certificates, cancellation));
        EndPoint endPoint = IPAddress.TryParse(host, out var address) ? new IPEndPoint(address, port) : new DnsEndPoint(host, port);
        return new FramedConnection(await SocketTransport.ConnectAsync(endPoint, cancellation));
    }
}
