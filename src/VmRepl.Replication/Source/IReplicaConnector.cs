using VmRepl.Protocol.Connections;

namespace VmRepl.Replication.Source;

/// <summary>Makes connections to one replica: over TCP, over TLS, or in memory.</summary>
public interface IReplicaConnector
{
    /// <summary>HOST:PORT or what else names it, for messages.</summary>
    string Peer { get; }

    /// <exception cref="IOException">It cannot be reached.</exception>
    Task<FramedConnection> ConnectAsync(CancellationToken cancellation);
}
