using System.Net;
using System.Net.Sockets;

namespace VmRepl.Tests;

/// <summary>
/// A TCP relay between a source and a replica: it counts what the source sends, the wire itself as referee of what the product says, and it can be made a bad wire. All of it may be changed while it runs, by any thread.
/// </summary>
internal sealed class Relay : IDisposable
{
    // A kernel's buffer of megabytes would be a part of the wire that nobody counts.
    private const int WindowBytes = 256 << 10;

    private readonly Socket listening = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = WindowBytes };
    private readonly Thread accepting;
    private readonly Lock gate = new();
    private readonly List<RelayedConnection> connections = [];
    private readonly int target;
    private bool isCut, isEnding;
    private long sent;

    /// <param name="target">The replica's port on this machine.</param>
    public Relay(int target)
    {
        this.target = target;
        listening.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listening.Listen();
        accepting = new Thread(Accept) { IsBackground = true, Name = "relay" };
        accepting.Start();
    }

    public string Address => $"127.0.0.1:{((IPEndPoint)listening.LocalEndPoint!).Port}";

    /// <summary>Bytes from the source so far, over all connections.</summary>
    public long Sent => Interlocked.Read(ref sent);

    /// <summary>Bytes from the source over that one of the connections that are up which has sent most: the link, where others only ask how things stand.</summary>
    public long SentByLink
    {
        get
        {
            lock (gate) return connections.Max(c => c.Sent);
        }
    }

    /// <summary>Connections that were let through so far.</summary>
    public int Connections { get; private set; }

    /// <summary>How long a byte is on its way, in each direction.</summary>
    public TimeSpan Delay { get; set; }

    /// <summary>Up to so much longer, at random. Bytes do not overtake each other.</summary>
    public TimeSpan Jitter { get; set; }

    /// <summary>What passes in each direction in a second; 0 for no bound.</summary>
    public long BytesPerSecond { get; set; }

    /// <summary>Set while bytes pass.</summary>
    public ManualResetEventSlim Flowing { get; } = new(true);

    /// <summary>Breaks every connection and refuses new ones. What was on its way is lost.</summary>
    public void Cut()
    {
        lock (gate)
        {
            isCut = true;
            BreakAll();
        }
    }

    /// <summary>Breaks every connection; new ones are let through.</summary>
    public void Break()
    {
        lock (gate) BreakAll();
    }

    public void Mend()
    {
        lock (gate) isCut = false;
    }

    /// <summary>Nothing passes any more, and nobody is told: a cable is out.</summary>
    public void Freeze() => Flowing.Reset();

    public void Thaw() => Flowing.Set();

    public void Dispose()
    {
        lock (gate)
        {
            isEnding = true;
            BreakAll();
        }

        listening.Dispose();
        accepting.Join();
        Flowing.Set();
    }

    internal void Count(int bytes) => Interlocked.Add(ref sent, bytes);

    private void BreakAll()
    {
        connections.ForEach(c => c.Break());
        connections.Clear();
    }

    private void Accept()
    {
        try
        {
            while (true)
            {
                var source = listening.Accept();
                lock (gate)
                {
                    if (isCut || isEnding || Connect() is not { } replica)
                    {
                        source.Dispose();
                        continue;
                    }

                    Connections++;
                    connections.RemoveAll(c => c.IsBroken);
                    connections.Add(new RelayedConnection(this, source, replica));
                }
            }
        }
        catch (SocketException)
        {
            // The relay's end.
        }
        catch (ObjectDisposedException)
        {
            // The same.
        }
    }

    private Socket? Connect()
    {
        var replica = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            replica.Connect(IPAddress.Loopback, target);
            return replica;
        }
        catch (SocketException)
        {
            replica.Dispose();
            return null;
        }
    }
}
