using VmRepl.Protocol.Connections;
using VmRepl.Simulation.Storage;

namespace VmRepl.Simulation.System;

/// <summary>One end of a <see cref="SimulatedConnection"/>. What is sent in one go is a frame.</summary>
internal sealed class SimulatedTransport(string peer, SimulatedPipe outgoing, SimulatedPipe incoming, SeededRandom random, SystemCounters counters) : ITransport
{
    private byte[]? overtaken;

    public string Peer { get; } = peer;

    /// <summary>Whether frames come twice now and then, or behind the next one, as datagrams do. No stream does that: whoever receives them has to notice, or to be none the worse for it.</summary>
    public bool IsDisorderly { get; set; }

    public async ValueTask SendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation)
    {
        if (IsDisorderly && overtaken is null && random.Chance(0.02))
        {
            counters.Add(SystemCounters.FramesOvertaken);
            overtaken = data.ToArray();
            return;
        }

        await outgoing.WriteAsync(data, Peer, cancellation);
        if (IsDisorderly && random.Chance(0.02))
        {
            counters.Add(SystemCounters.FramesTwice);
            await outgoing.WriteAsync(data, Peer, cancellation);
        }

        if (overtaken is not { } late) return;
        overtaken = null;
        await outgoing.WriteAsync(late, Peer, cancellation);
    }

    public ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellation) => incoming.ReadAsync(buffer, Peer, cancellation);

    public ValueTask DisposeAsync()
    {
        outgoing.Close();
        incoming.LoseReader("it was closed on this side");
        return default;
    }
}
