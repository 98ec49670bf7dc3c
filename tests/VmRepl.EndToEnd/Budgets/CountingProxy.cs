using System.Net;
using System.Net.Sockets;

namespace VmRepl.EndToEnd.Budgets;

/// <summary>A TCP forwarder that counts what the source sends: the wire itself as referee of what the product says it sent.</summary>
internal sealed class CountingProxy : IDisposable
{
    private readonly Socket listening = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly CancellationTokenSource ending = new();
    private readonly Task accepting;
    private readonly int target;
    private long sent;

    public CountingProxy(int target)
    {
        this.target = target;
        listening.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listening.Listen();
        accepting = AcceptAsync();
    }

    public string Address => $"127.0.0.1:{((IPEndPoint)listening.LocalEndPoint!).Port}";

    /// <summary>Bytes from the source to the replica so far.</summary>
    public long Sent => Interlocked.Read(ref sent);

    public void Dispose()
    {
        ending.Cancel();
        accepting.GetAwaiter().GetResult();
        listening.Dispose();
        ending.Dispose();
    }

    private async Task AcceptAsync()
    {
        var serving = new List<Task>();
        try
        {
            while (true) serving.Add(ServeAsync(await listening.AcceptAsync(ending.Token)));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(serving);
        }
    }

    private async Task ServeAsync(Socket source)
    {
        using var replica = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using (source)
        {
            try
            {
                await replica.ConnectAsync(IPAddress.Loopback, target, ending.Token);
                await Task.WhenAny(PassAsync(source, replica, count => Interlocked.Add(ref sent, count)), PassAsync(replica, source, static _ => { }));
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                // One of them went; so does the other.
            }
        }
    }

    private async Task PassAsync(Socket from, Socket to, Action<int> count)
    {
        var buffer = new byte[256 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer, ending.Token) is > 0 and var received)
            {
                count(received);
                for (var at = 0; at < received;) at += await to.SendAsync(buffer.AsMemory(at, received - at), ending.Token);
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The connection's end.
        }
    }
}
