using System.Net.Sockets;
using VmRepl.Nbd.Client;

namespace VmRepl.Nbd.Tests.Client;

/// <summary>A listener that answers each connection as a test's script says.</summary>
internal sealed class ScriptedServer : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("vmrepl-nbd-").FullName;
    private readonly Socket listening = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly Action<ScriptedPeer> script;
    private readonly List<ScriptedPeer> peers = [];

    public ScriptedServer(Action<ScriptedPeer> script)
    {
        this.script = script;
        var path = Path.Combine(directory, "s.sock");
        Address = new NbdAddress.Unix(path);
        listening.Bind(new UnixDomainSocketEndPoint(path));
        listening.Listen(64);
        new Thread(Accept) { IsBackground = true }.Start();
    }

    public NbdAddress Address { get; }

    /// <summary>The bytes after which the next connections are cut.</summary>
    public int BytesMax { get; set; } = int.MaxValue;

    /// <summary>What went wrong in a script that was not ended by its client.</summary>
    public List<Exception> Faults { get; } = [];

    /// <summary>Bytes that the last connection sent.</summary>
    public int Sent => peers[^1].Sent;

    public static NbdClientOptions Options(int requestMaxMs = 10_000) => new() { ConnectMax = TimeSpan.FromSeconds(10), NegotiationMax = TimeSpan.FromSeconds(10), RequestMax = TimeSpan.FromMilliseconds(requestMaxMs) };

    public NbdClient Connect(NbdClientOptions? options = null) => NbdClient.Connect(Address, "disk", options ?? Options());

    public void Dispose()
    {
        listening.Dispose();
        lock (peers) peers.ForEach(peer => peer.Socket.Dispose());
        Directory.Delete(directory, recursive: true);
        Assert.That(Faults, Is.Empty);
    }

    private void Accept()
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = listening.Accept();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }

            var peer = new ScriptedPeer(socket, BytesMax);
            lock (peers) peers.Add(peer);
            new Thread(() => Run(peer)) { IsBackground = true }.Start();
        }
    }

    private void Run(ScriptedPeer peer)
    {
        try
        {
            script(peer);
        }
        catch (Exception e) when (e is SocketException or EndOfStreamException or ObjectDisposedException)
        {
            // The client went, or the connection was cut on purpose.
        }
        catch (Exception e)
        {
            lock (Faults) Faults.Add(e);
        }
        finally
        {
            peer.Socket.Dispose();
        }
    }
}
