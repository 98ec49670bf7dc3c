using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Security;
using VmRepl.Replication.Replica;

namespace VmRepl.Agent.Hosting;

/// <summary>Accepts connections on one socket and serves each until it ends; waits for all of them when it stops.</summary>
internal sealed class ReplicaListener(Socket listening, PeerCertificates? certificates, ReplicaSite site, ILogger log)
{
    private const int ConnectionsMax = 1024;

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
        catch (Exception e) when (e is PeerAuthenticationException or IOException or SocketException)
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
