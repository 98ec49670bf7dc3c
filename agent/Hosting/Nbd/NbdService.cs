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

    /// <param name="asked">Where to listen; port 0 takes any free one.</param>
    /// <param name="certificates">With these a TCP listener asks for TLS and for a certificate; a Unix socket is its owner's alone and needs none.</param>
    /// <exception cref="CommandFailure">It cannot listen there, or it would be open to everybody.</exception>
    public NbdService(NbdAddress asked, PeerCertificates? certificates, IHostDirectory directory, ReplicaStore store, ILogger log)
    {
        var tls = asked is NbdAddress.Tcp ? certificates?.ListenerOptions() : null;
        listening = Listen(asked, tls);
        address = asked is NbdAddress.Tcp tcp ? tcp with { Port = ((IPEndPoint)listening.LocalEndPoint!).Port } : asked;
        Attachments = new ViewAttachments(directory, store, name => address.Uri(name, tls is not null), TimeProvider.System, log);
        server = new NbdServer(new ReplicaExports(store, Attachments, tls is not null), new NbdServerOptions { Tls = tls }, log);
        HostLog.NbdStarted(log, address.ToString(), tls is null ? "in the clear" : "mutual TLS");
    }

    public ViewAttachments Attachments { get; }

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

    private static Socket Listen(NbdAddress at, SslServerAuthenticationOptions? tls)
    {
        var endPoint = at.EndPoint is DnsEndPoint name ? new IPEndPoint(Dns.GetHostAddresses(name.Host)[0], name.Port) : at.EndPoint;
        if (endPoint is IPEndPoint ip)
        {
            try
            {
                ListenRule.Check(ip, tls is not null);
            }
            catch (UnsafeListenException e)
            {
                throw CommandFailure.Refused(e.Message, e.Hint, cause: e);
            }
        }

        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, endPoint is IPEndPoint ? ProtocolType.Tcp : ProtocolType.Unspecified);
        try
        {
            if (endPoint is IPEndPoint) socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            if (at is NbdAddress.Unix unix) RemoveStale(unix.Path);
            socket.Bind(endPoint);
            if (at is NbdAddress.Unix made && !OperatingSystem.IsWindows()) File.SetUnixFileMode(made.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            socket.Listen(128);
            return socket;
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new CommandFailure($"Cannot serve NBD on {at}: {e.Message}.", "Another process may be using it: choose another address for --nbd, or stop that one.", cause: e);
        }
    }

    /// <summary>A socket that nobody listens on any more is a former process's. Anything else stays, and binding then says so.</summary>
    private static void RemoveStale(string path)
    {
        if (!File.Exists(path)) return;
        using var trial = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            trial.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused && new FileInfo(path) is { Length: 0 })
        {
            File.Delete(path);
        }
        catch (SocketException)
        {
            // No socket, or not ours to look at.
        }
    }
}
