using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace VmRepl.Nbd.Server;

/// <summary>Serves exports to NBD clients, over any number of listening sockets. Each client has threads of its own: one that is slow, hangs or lies holds up no other.</summary>
public sealed class NbdServer(INbdExports exports, NbdServerOptions options, ILogger log) : IDisposable
{
    private const int StackBytes = 512 << 10;
    private static readonly TimeSpan AcceptRetry = TimeSpan.FromMilliseconds(100);

    private readonly StallWatch watch = new();
    private readonly SemaphoreSlim places = new(options.ConnectionsMax);
    private readonly Lock gate = new();
    private readonly HashSet<Socket> clients = [];

    /// <summary>How many clients are connected now.</summary>
    public int ClientCount
    {
        get
        {
            lock (gate) return clients.Count;
        }
    }

    /// <summary>Accepts until it is cancelled; then every client is cut off, and waited for.</summary>
    /// <param name="listening">Closed at the end.</param>
    public async Task RunAsync(Socket listening, CancellationToken cancellation)
    {
        var served = new List<Task>();
        try
        {
            while (true)
            {
                await places.WaitAsync(cancellation).ConfigureAwait(false);
                Socket client;
                try
                {
                    client = await listening.AcceptAsync(cancellation).ConfigureAwait(false);
                }
                catch (Exception e)
                {
                    places.Release();
                    if (e is not SocketException) throw;
                    // Out of descriptors, or a client that went at once: the listener itself is well.
                    ServerLog.AcceptFailed(log, e.Message);
                    await Task.Delay(AcceptRetry, cancellation).ConfigureAwait(false);
                    continue;
                }

                served.RemoveAll(task => task.IsCompleted);
                served.Add(Start(client));
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // Stopping.
        }
        finally
        {
            listening.Dispose();
            lock (gate)
            {
                foreach (var client in clients) CutOff(client);
            }

            await Task.WhenAny(Task.WhenAll(served), Task.Delay(options.StopMax, CancellationToken.None)).ConfigureAwait(false);
        }
    }

    public void Dispose()
    {
        watch.Dispose();
        places.Dispose();
    }

    private Task Start(Socket client)
    {
        lock (gate) clients.Add(client);
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() =>
        {
            try
            {
                Serve(client);
            }
            finally
            {
                lock (gate) clients.Remove(client);
                places.Release();
                done.SetResult();
            }
        }, StackBytes)
        { IsBackground = true, Name = "nbd client" }.Start();
        return done.Task;
    }

    private void Serve(Socket client)
    {
        var peer = NameOf(client);
        try
        {
            ServerLog.Connected(log, peer);
            client.SendTimeout = (int)options.SendStallMax.TotalMilliseconds;
            if (client.AddressFamily != AddressFamily.Unix) client.NoDelay = true;
            using var negotiation = new ServerNegotiation(client, peer, exports, options, log);
            try
            {
                if (negotiation.Run() is not { } chosen) return;
                negotiation.HandOver();
                using var export = chosen.Export;
                ServerLog.Opened(log, peer, chosen.Name, chosen.Facts.Length);
                var session = new ClientSession(negotiation.Transport, negotiation.Receive, chosen, peer, options, watch, log);
                if (session.Run() is { } reason) ServerLog.CutOff(log, peer, reason);
                ServerLog.Closed(log, peer, chosen.Name, session.Requests);
            }
            finally
            {
                negotiation.Transport.Dispose();
            }
        }
        catch (NbdClientException e)
        {
            ServerLog.CutOff(log, peer, e.Message);
        }
        catch (IOException e)
        {
            ServerLog.EndedEarly(log, peer, e.Message);
        }
        catch (Exception e)
        {
            // A fault in serving one client must not end the process that others depend on.
            ServerLog.Fault(log, peer, e.Message, e);
        }
    }

    private static void CutOff(Socket client)
    {
        try
        {
            client.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It went by itself.
        }
    }

    private static string NameOf(Socket client)
    {
        try
        {
            return client.AddressFamily == AddressFamily.Unix ? "Unix socket" : client.RemoteEndPoint?.ToString() ?? "unknown";
        }
        catch (SocketException)
        {
            return "unknown";
        }
    }
}
