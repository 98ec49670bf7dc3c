using VmRepl.Protocol.Connections;

namespace VmRepl.Simulation.System;

/// <summary>One end of a <see cref="SimulatedConnection"/>.</summary>
internal sealed class SimulatedTransport(string peer, SimulatedPipe outgoing, SimulatedPipe incoming) : ITransport
{
    public string Peer { get; } = peer;

    public ValueTask SendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation) => outgoing.WriteAsync(data, Peer, cancellation);

    public ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellation) => incoming.ReadAsync(buffer, Peer, cancellation);

    public ValueTask DisposeAsync()
    {
        outgoing.Close();
        incoming.LoseReader("it was closed on this side");
        return default;
    }
}
