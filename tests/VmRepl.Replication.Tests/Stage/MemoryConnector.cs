using VmRepl.Protocol.Connections;
using VmRepl.Replication.Source;

namespace VmRepl.Replication.Tests.Stage;

/// <summary>Connects a source to a replica in the same process, each connection as the test will have it.</summary>
/// <param name="accept">Takes the replica's end.</param>
internal sealed class MemoryConnector(Action<ITransport> accept) : IReplicaConnector
{
    private int connections;

    public string Peer => "replica:1";

    /// <summary>How many connections were made.</summary>
    public int Connections => Volatile.Read(ref connections);

    /// <summary>Given a connection's number, from 1, and the source's end of it: what the source gets.</summary>
    public Func<int, ITransport, ITransport> Wrap { get; set; } = static (_, transport) => transport;

    /// <summary>What one side can send before the other has to receive.</summary>
    public int CapacityBytes { get; set; } = 64 * 1024;

    public Task<ITransport> ConnectTransportAsync(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var (source, replica) = MemoryTransport.CreatePair(CapacityBytes);
        var wrapped = Wrap(Interlocked.Increment(ref connections), source);
        accept(replica);
        return Task.FromResult(wrapped);
    }
}
