using VmRepl.Protocol.Connections;

namespace VmRepl.Replication.Tests.Stage;

/// <summary>A line on which everything comes later.</summary>
internal sealed class SlowTransport(ITransport inner) : ITransport
{
    public TimeSpan Delay { get; set; }

    /// <summary>Called when somebody begins to wait.</summary>
    public Action Waiting { get; set; } = static () => { };

    public string Peer => inner.Peer;

    public ValueTask SendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation) => inner.SendAsync(data, cancellation);

    public async ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        Waiting();
        await Task.Delay(Delay, cancellation);
        return await inner.ReceiveAsync(buffer, cancellation);
    }

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
