using VmRepl.Protocol;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;

namespace VmRepl.Replication.Source;

/// <summary>Receives what comes on a connection until it ends, and pings meanwhile, so that silence means that the peer is gone.</summary>
internal sealed class ConnectionFollower(FramedConnection current, LinkOptions options, TimeProvider time)
{
    /// <param name="take">Given each message in order.</param>
    /// <returns>Why the connection ended.</returns>
    public async Task<string> RunAsync(Action<IMessage> take, CancellationToken cancellation)
    {
        await Task.Yield();
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var timer = time.CreateTimer(_ => silence.Cancel(), null, options.SilenceMax, Timeout.InfiniteTimeSpan);
        var pinging = PingAsync(silence.Token);
        try
        {
            while (await current.ReceiveAsync(silence.Token) is { } message)
            {
                timer.Change(options.SilenceMax, Timeout.InfiniteTimeSpan);
                take(message);
            }

            return "the replica closed it";
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return $"nothing came for {options.SilenceMax.TotalSeconds:0} s";
        }
        catch (Exception e) when (e is IOException or ProtocolException)
        {
            return e.Message;
        }
        finally
        {
            await silence.CancelAsync();
            await pinging;
        }
    }

    private async Task PingAsync(CancellationToken cancellation)
    {
        try
        {
            for (ulong id = 1; ; id++)
            {
                await CommonTick.NextAsync(options.PingInterval, time, cancellation);
                await current.SendAsync(new Ping(id), cancellation);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // The receiving side sees the same end and says why.
        }
    }
}
