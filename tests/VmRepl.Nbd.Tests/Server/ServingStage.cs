using System.Net;
using System.Net.Sockets;
using VmRepl.Blocks;
using VmRepl.Nbd.Server;

namespace VmRepl.Nbd.Tests.Server;

/// <summary>A server over one device, on a Unix socket and on TCP.</summary>
internal sealed class ServingStage : IDisposable
{
    private readonly CancellationTokenSource stopping = new();
    private readonly Task[] running;

    public ServingStage(IBlockDevice device, NbdServerOptions? options = null)
        : this(new SingleExport("disk", device), options)
    {
    }

    public ServingStage(INbdExports exports, NbdServerOptions? options = null)
    {
        Directory = System.IO.Directory.CreateTempSubdirectory("vmrepl-nbd-").FullName;
        Socket = Path.Combine(Directory, "s.sock");
        Server = new NbdServer(exports, options ?? new NbdServerOptions(), Log);
        IsTls = options?.Tls is not null;
        var unix = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        unix.Bind(new UnixDomainSocketEndPoint(Socket));
        unix.Listen(64);
        var tcp = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        tcp.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        tcp.Listen(64);
        Port = ((IPEndPoint)tcp.LocalEndPoint!).Port;
        running = [Server.RunAsync(unix, stopping.Token), Server.RunAsync(tcp, stopping.Token)];
    }

    /// <summary>For a test's own files; removed at the end.</summary>
    public string Directory { get; }

    public string Socket { get; }

    public int Port { get; }

    public bool IsTls { get; }

    public LogLines Log { get; } = new();

    public NbdServer Server { get; }

    public string UnixUri => new NbdAddress.Unix(Socket).Uri("disk", IsTls);

    public string TcpUri => new NbdAddress.Tcp("127.0.0.1", Port).Uri("disk", IsTls);

    public string Uri(bool tcp) => tcp ? TcpUri : UnixUri;

    /// <summary>Waits until no client is connected any more.</summary>
    public void AwaitNoClients(TimeSpan? limit = null) =>
        Assert.That(() => Server.ClientCount, Is.Zero.After((int)(limit ?? TimeSpan.FromSeconds(10)).TotalMilliseconds, 5), "a client's connection was not ended");

    public void Stop()
    {
        stopping.Cancel();
        Assert.That(Task.WhenAll(running).Wait(TimeSpan.FromSeconds(20)), Is.True, "the server did not stop");
    }

    public void Dispose()
    {
        Stop();
        Server.Dispose();
        stopping.Dispose();
        System.IO.Directory.Delete(Directory, recursive: true);
        Assert.That(Log.Faults, Is.Empty);
    }
}
