using VmRepl.Protocol.Connections;

namespace VmRepl.Replication.Tests.Stage;

/// <summary>A line that goes dead without a word after so many bytes were sent: sends vanish, nothing is received, nothing is closed unless the peer closes it.</summary>
internal sealed class StallingTransport(ITransport inner, long sendBytes) : ITransport
{
    private long left = sendBytes;

    public string Peer => inner.Peer;

    public async ValueTask SendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation)
    {
        if (Interlocked.Add(ref left, -data.Length) > 0) await inner.SendAsync(data, cancellation);
    }

    public async ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        int count;
        // What comes on a dead line is lost; its being closed is not, however much came before.
        do count = await inner.ReceiveAsync(buffer, cancellation);
        while (count > 0 && Interlocked.Read(ref left) <= 0);
        return count;
    }

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
