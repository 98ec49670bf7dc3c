using System.Net.Sockets;
using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Output;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Connections;
using VmRepl.Replication.Reading;
using VmRepl.Replication.Source;

namespace VmRepl.Agent.Hosting;

/// <summary>Opens what <c>points</c> and <c>restore-vm</c> read from.</summary>
internal static class PastReaders
{
    public static async Task<IPastReader> OpenAsync(PointSource source, string group, CancellationToken cancellation) => source switch
    {
        PointSource.Store store => await OpenStoreAsync(store.Directory, cancellation),
        PointSource.Replica replica => await OpenReplicaAsync(replica, cancellation),
        PointSource.Agent agent => await ReplicaPastReader.OpenAsync(new FramedConnection(await AgentClient.OpenReplicaAsync(agent.Socket, group, cancellation)), cancellation),
        _ => throw new InvalidOperationException($"{source} is no source of points"),
    };

    /// <summary>A store that a running replica has is read through that replica: it alone knows what is being written.</summary>
    private static async Task<IPastReader> OpenStoreAsync(string directory, CancellationToken cancellation)
    {
        if (!StoreOwner.IsOwned(directory, out var socketPath)) return new StorePastReader(ReplicaStore.OpenForReading(new HostDirectory(directory), new StoreSettings { NewGuid = Guid.NewGuid }));
        if (socketPath is null) throw CommandFailure.Refused($"The store {directory} is in use by a replica that is starting or stopping.", "Try again in a moment.");
        try
        {
            return await ReplicaPastReader.OpenAsync(new FramedConnection(await SocketTransport.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellation)), cancellation);
        }
        catch (IOException e)
        {
            throw new CommandFailure($"The store {directory} is in use by a replica that does not answer on {socketPath}: {e.Message}.", "Try again in a moment, or stop that replica.", cause: e);
        }
    }

    private static async Task<IPastReader> OpenReplicaAsync(PointSource.Replica replica, CancellationToken cancellation)
    {
        using var certificates = Certificates.Load(replica.Certificates);
        var connector = new TcpConnector(replica.Address.Host, replica.Address.Port, certificates);
        if (connector.IsUnsafe) throw CommandFailure.Refused($"The contents would come from {replica.Address} in the clear.", "Give --certificate, --key and --authority.");
        return await ReplicaPastReader.OpenAsync(new FramedConnection(await connector.ConnectTransportAsync(cancellation)), cancellation);
    }
}
