using System.Net.Sockets;

namespace VmRepl.Tests;

/// <summary>One connection through a <see cref="Relay"/>.</summary>
internal sealed class RelayedConnection
{
    private readonly Socket source, replica;
    private long sent;

    public RelayedConnection(Relay relay, Socket source, Socket replica)
    {
        (this.source, this.replica) = (source, replica);
        source.NoDelay = true;
        new RelayedFlow(relay, source, replica, Count, Break).Start();
        new RelayedFlow(relay, replica, source, static _ => { }, Break).Start();

        void Count(int bytes)
        {
            Interlocked.Add(ref sent, bytes);
            relay.Count(bytes);
        }
    }

    /// <summary>Bytes from the source so far.</summary>
    public long Sent => Interlocked.Read(ref sent);

    public bool IsBroken { get; private set; }

    public void Break()
    {
        IsBroken = true;
        source.Dispose();
        replica.Dispose();
    }
}
