using VmRepl.Protocol.Connections;

namespace VmRepl.Replication.Source;

/// <summary>Makes connections to one replica: over TCP, over TLS, or in memory.</summary>
public interface IReplicaConnector
{
    /// <summary>HOST:PORT or what else names it, for messages.</summary>
    string Peer { get; }

    /// <summary>A fresh connection on which nothing was said yet.</summary>
    /// <exception cref="IOException">It cannot be reached.</exception>
    Task<ITransport> ConnectTransportAsync(CancellationToken cancellation);
}
