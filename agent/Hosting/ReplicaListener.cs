using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Security;
using VmRepl.Replication.Replica;

namespace VmRepl.Agent.Hosting;

/// <summary>Accepts connections on one socket and serves each until it ends; waits for all of them when it stops.</summary>
internal sealed class ReplicaListener(Socket listening, PeerCertificates? certificates, ReplicaSite site, ILogger log)
{
    private const int ConnectionsMax = 1024;

    // The content type of a TLS record that carries a handshake (RFC 8446, section 5.1): what every TLS client sends first. No frame of ours begins so.
    private const byte TlsHandshake = 22;

    private readonly SemaphoreSlim places = new(ConnectionsMax);
    private readonly Lock gate = new();
    private readonly HashSet<Task> serving = [];

    public async Task RunAsync(CancellationToken cancellation)
    {
        try
        {
            while (true)
            {
                await places.WaitAsync(cancellation);
                Socket accepted;
                try
                {
                    accepted = await listening.AcceptAsync(cancellation);
                }
                catch (SocketException e)
                {
                    // Out of descriptors, or a peer that went at once: the listener itself is well.
                    places.Release();
                    HostLog.AcceptFailed(log, e.Message);
                    await Task.Delay(TimeSpan.FromMilliseconds(100), cancellation);
                    continue;
                }

                Track(ServeAsync(accepted, cancellation));
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping.
        }
        finally
        {
            listening.Dispose();
            Task[] left;
            lock (gate) left = [.. serving];
            await Task.WhenAll(left);
        }
    }

    private async Task ServeAsync(Socket socket, CancellationToken cancellation)
    {
        await Task.Yield();
        var peer = "unknown";
        try
        {
            ITransport transport;
            PeerIdentity? identity = null;
            if (certificates is not null)
            {
                using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
                deadline.CancelAfter(site.Options.SilenceMax);
                if (!await BeginsTlsAsync(socket, deadline.Token))
                {
                    await TurnAwayAsync(new SocketTransport(socket), deadline.Token);
                    return;
                }

                var secured = await TlsTransport.AcceptAsync(socket, certificates, deadline.Token);
                (transport, identity) = (secured, secured.Identity);
            }
            else
            {
                transport = new SocketTransport(socket);
            }

            peer = transport.Peer;
            await using var connection = new FramedConnection(transport);
            await site.ServeAsync(connection, identity, cancellation);
        }
        catch (Exception e) when (e is PeerAuthenticationException or IOException or SocketException or Protocol.ProtocolException)
        {
            HostLog.TurnedAway(log, peer, e.Message);
        }
        catch (OperationCanceledException)
        {
            // Stopping, or a peer that did not get through the handshake in time.
        }
        catch (Exception e)
        {
            HostLog.SessionFault(log, e.Message, e);
        }
        finally
        {
            places.Release();
        }
    }

    private static async Task<bool> BeginsTlsAsync(Socket socket, CancellationToken cancellation)
    {
        var first = new byte[1];
        return await socket.ReceiveAsync(first, SocketFlags.Peek, cancellation) == 0 || first[0] == TlsHandshake;
    }

    /// <summary>A peer that comes without TLS is told so in its own language; a handshake that fails would tell it nothing.</summary>
    private async Task TurnAwayAsync(SocketTransport transport, CancellationToken cancellation)
    {
        await using var connection = new FramedConnection(transport);
        if (await connection.ReceiveAsync(cancellation) is not Hello) return;
        HostLog.TurnedAway(log, transport.Peer, "it came without TLS");
        await connection.SendAsync(new Refusal(RefusalCode.Certificate, "the replica takes connections with certificates only, and this one came without", "Give --certificate, --key and --authority."), cancellation);
    }

    private void Track(Task session)
    {
        lock (gate) serving.Add(session);
        session.ContinueWith(
            done =>
            {
                lock (gate) serving.Remove(done);
            },
            CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }
}
