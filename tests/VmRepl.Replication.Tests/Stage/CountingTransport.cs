using VmRepl.Protocol.Connections;

namespace VmRepl.Replication.Tests.Stage;

/// <summary>Counts what passes.</summary>
internal sealed class CountingTransport(ITransport inner) : ITransport
{
    private long sent, received;

    public string Peer => inner.Peer;

    public long Sent => Interlocked.Read(ref sent);

    public long Received => Interlocked.Read(ref received);

    public async ValueTask SendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation)
    {
        await inner.SendAsync(data, cancellation);
        Interlocked.Add(ref sent, data.Length);
    }

    public async ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        var count = await inner.ReceiveAsync(buffer, cancellation);
        Interlocked.Add(ref received, count);
        return count;
    }

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
