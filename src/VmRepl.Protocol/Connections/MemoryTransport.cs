namespace VmRepl.Protocol.Connections;

/// <summary>Two ends in one process: for tests and for the simulation. Nothing is lost, nothing takes time, and no thread is started.</summary>
public sealed class MemoryTransport : ITransport
{
    private readonly MemoryPipe outgoing;
    private readonly MemoryPipe incoming;

    private MemoryTransport(string peer, MemoryPipe outgoing, MemoryPipe incoming)
    {
        Peer = peer;
        this.outgoing = outgoing;
        this.incoming = incoming;
    }

    public string Peer { get; }

    /// <param name="capacityBytes">How much one side can send before the other has to receive.</param>
    public static (MemoryTransport Source, MemoryTransport Replica) CreatePair(int capacityBytes = 64 * 1024)
    {
        MemoryPipe forth = new(capacityBytes), back = new(capacityBytes);
        return (new MemoryTransport("replica in memory", forth, back), new MemoryTransport("source in memory", back, forth));
    }

    public async ValueTask SendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation)
    {
        while (!data.IsEmpty)
        {
            var count = await outgoing.WriteAsync(data, Peer, cancellation).ConfigureAwait(false);
            data = data[count..];
        }
    }

    public ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellation) => incoming.ReadAsync(buffer, Peer, cancellation);

    public ValueTask DisposeAsync()
    {
        outgoing.CloseWriting();
        incoming.CloseReading();
        return ValueTask.CompletedTask;
    }
}
