using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using VmRepl.Nbd;
using VmRepl.Nbd.Server;
using VmRepl.Replication.Source;

namespace VmRepl.Agent.Hosting.Nbd;

/// <summary>The NBD side of an agent: one Unix socket, its owner's alone, beside the socket for commands.</summary>
internal sealed class ServedDisks : IDisposable
{
    // Where writes wait for the replica each takes a thread; more than a guest's queue has would wait in its socket.
    private const int RequestsMax = 64;

    private readonly NbdAddress.Unix address;
    private readonly Socket listening;
    private readonly NbdServer server;

    private ServedDisks(NbdAddress.Unix address, Socket listening, NbdServer server) => (this.address, this.listening, this.server) = (address, listening, server);

    /// <param name="commandSocket">Full path of the socket for commands.</param>
    public static ServedDisks Start(string commandSocket, SourceAgent agent, ILogger log)
    {
        var path = Path.Combine(Path.GetDirectoryName(commandSocket)!, Path.GetFileNameWithoutExtension(commandSocket) + ".nbd" + Path.GetExtension(commandSocket));
        var address = new NbdAddress.Unix(path);
        ListeningSockets.RemoveStale(path, "Another agent", "--socket");
        var served = new ServedDisks(address, ListeningSockets.Listen(address.EndPoint), new NbdServer(new ServedExports(agent), new NbdServerOptions { RequestsMax = RequestsMax }, log));
        HostLog.DisksServed(log, address.ToString());
        return served;
    }

    public string Uri(string group, string disk) => address.Uri($"{group}/{disk}");

    public async Task RunAsync(CancellationToken cancellation)
    {
        await server.RunAsync(listening, cancellation);
        File.Delete(address.Path);
    }

    public void Dispose()
    {
        server.Dispose();
        listening.Dispose();
    }
}
