namespace VmRepl.Protocol.Connections;

/// <summary>
/// Lets exactly so many bytes through in each direction and then breaks: the inner transport is closed and both directions fail. For tests that
/// cut a session at every byte.
/// </summary>
public sealed class CuttingTransport : ITransport
{
    private readonly ITransport inner;
    private readonly long sendBytes;
    private readonly long receiveBytes;
    private readonly CancellationTokenSource cut = new();
    private long sendLeft;
    private long receiveLeft;

    public CuttingTransport(ITransport inner, long sendBytes, long receiveBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sendBytes);
        ArgumentOutOfRangeException.ThrowIfNegative(receiveBytes);
        this.inner = inner;
        this.sendBytes = sendLeft = sendBytes;
        this.receiveBytes = receiveLeft = receiveBytes;
    }

    public string Peer => inner.Peer;

    /// <summary>Whether the connection has been cut.</summary>
    public bool IsCut => cut.IsCancellationRequested;

    public async ValueTask SendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation)
    {
        await ThrowIfCutAsync(sendLeft == 0 && !data.IsEmpty).ConfigureAwait(false);
        var part = data[..(int)Math.Min(data.Length, sendLeft)];
        try
        {
            using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellation, cut.Token);
            await inner.SendAsync(part, both.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw Broken();
        }

        sendLeft -= part.Length;
        await ThrowIfCutAsync(part.Length < data.Length).ConfigureAwait(false);
    }

    public async ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        await ThrowIfCutAsync(receiveLeft == 0 && !buffer.IsEmpty).ConfigureAwait(false);
        try
        {
            using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellation, cut.Token);
            var count = await inner.ReceiveAsync(buffer[..(int)Math.Min(buffer.Length, receiveLeft)], both.Token).ConfigureAwait(false);
            receiveLeft -= count;
            return count;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw Broken();
        }
    }

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private async ValueTask ThrowIfCutAsync(bool isSpent)
    {
        if (!isSpent && !IsCut) return;
        await cut.CancelAsync().ConfigureAwait(false);
        await inner.DisposeAsync().ConfigureAwait(false);
        throw Broken();
    }

    private ConnectionLostException Broken() => new(Peer, $"cut after {sendBytes - sendLeft} bytes sent and {receiveBytes - receiveLeft} received");
}
