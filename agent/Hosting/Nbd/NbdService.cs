using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using VmRepl.Agent.Output;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Store;
using VmRepl.Nbd;
using VmRepl.Nbd.Server;
using VmRepl.Protocol.Security;
using VmRepl.Replication.Replica.Attachments;

namespace VmRepl.Agent.Hosting.Nbd;

/// <summary>The NBD side of a replica: one listening socket, and what is attached.</summary>
internal sealed class NbdService : IDisposable
{
    private readonly NbdAddress address;
    private readonly Socket listening;
    private readonly NbdServer server;

    private NbdService(NbdAddress address, Socket listening, SslServerAuthenticationOptions? tls, ReplicaStore store, ILogger log)
    {
        (this.address, this.listening) = (address, listening);
        Attachments = new ViewAttachments(store, name => address.Uri(name, tls is not null), TimeProvider.System, log);
        server = new NbdServer(new ReplicaExports(store, Attachments, tls is not null), new NbdServerOptions { Tls = tls }, log);
        HostLog.NbdStarted(log, address.ToString(), tls is null ? "in the clear" : "mutual TLS");
    }

    public ViewAttachments Attachments { get; }

    /// <param name="asked">Where to listen; port 0 takes any free one.</param>
    /// <param name="certificates">With these a TCP listener asks for TLS and for a certificate; a Unix socket is its owner's alone and needs none.</param>
    /// <exception cref="CommandFailure">It cannot listen there, or it would be open to everybody.</exception>
    public static async Task<NbdService> StartAsync(NbdAddress asked, PeerCertificates? certificates, ReplicaStore store, ILogger log, CancellationToken cancellation)
    {
        if (asked is not NbdAddress.Tcp tcp)
        {
            ListeningSockets.RemoveStale(((NbdAddress.Unix)asked).Path, "Another process", "--nbd");
            return new NbdService(asked, ListeningSockets.Listen(asked.EndPoint), null, store, log);
        }

        var tls = certificates?.ListenerOptions();
        var endPoint = await ListeningSockets.ResolveAsync(tcp.Host, tcp.Port, "--nbd", cancellation);
        ListeningSockets.Check(endPoint, tls is not null);
        var listening = ListeningSockets.Listen(endPoint);
        return new NbdService(tcp with { Port = ((IPEndPoint)listening.LocalEndPoint!).Port }, listening, tls, store, log);
    }

    public async Task RunAsync(CancellationToken cancellation)
    {
        await server.RunAsync(listening, cancellation);
        if (address is NbdAddress.Unix unix) File.Delete(unix.Path);
    }

    public void Dispose()
    {
        server.Dispose();
        Attachments.Dispose();
        listening.Dispose();
    }
}
