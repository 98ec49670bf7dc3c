using VmRepl.Protocol.Connections;
using VmRepl.Replication.Source;
using VmRepl.Simulation.Storage;

namespace VmRepl.Simulation.System;

/// <summary>The way between the source and its replica: connections, and what befalls them.</summary>
internal sealed class SimulatedNetwork(SimulatedTime time, SeededRandom random, SystemCounters counters, EventLog log)
{
    private readonly List<SimulatedConnection> connections = [];

    /// <summary>Takes a connection at the replica; null where nobody listens.</summary>
    public Action<SimulatedTransport>? Listener { get; set; }

    /// <summary>Nobody gets through.</summary>
    public bool IsBarred { get; set; }

    /// <summary>Whether connections are cut by themselves.</summary>
    public bool IsFaulty { get; set; } = true;

    public TimeSpan Latency { get; set; }

    /// <summary>What is sent comes in order from now on.</summary>
    public void EndDisorder() => connections.ForEach(c => c.Source.IsDisorderly = c.Replica.IsDisorderly = false);

    public SimulatedConnection? Newest => connections.Count > 0 ? connections[^1] : null;

    public async Task<ITransport> ConnectAsync(CancellationToken cancellation)
    {
        await Task.Delay(Latency + TimeSpan.FromMilliseconds(random.Between(0, 20)), time, cancellation);
        if (IsBarred || Listener is null) throw new ConnectionLostException("replica:1", "connection refused (simulated)");
        var made = new SimulatedConnection(time, random, counters, Latency);
        if (IsFaulty && random.Chance(0.5)) made.CutAfter(random.Chance(0.7), random.Between(1, random.Pick([500, 5_000, 200_000, 2_000_000])), random.Pick(Enum.GetValues<ConnectionCut>()));
        if (IsFaulty && random.Chance(0.1)) made.Source.IsDisorderly = made.Replica.IsDisorderly = true;
        connections.Add(made);
        log.Add($"{time.Elapsed} connection {connections.Count}");
        Listener(made.Replica);
        return made.Source;
    }

    public void Cut(ConnectionCut kind)
    {
        if (Newest is not { IsCut: false } newest) return;
        log.Add($"{time.Elapsed} cut {kind}");
        newest.Cut(kind);
        if (kind == ConnectionCut.Silent) counters.Add(SystemCounters.CutsSilent);
        else if (kind != ConnectionCut.Both) counters.Add(SystemCounters.CutsOneSided);
    }

    public void LoseMachine(bool isSource)
    {
        foreach (var connection in connections) connection.LoseMachine(isSource);
        connections.Clear();
    }

    /// <summary>The source's way to the network, for one life of it.</summary>
    public sealed class Connector(SimulatedNetwork network) : IReplicaConnector
    {
        public bool IsDead { get; set; }

        public string Peer => "replica:1";

        public Task<ITransport> ConnectTransportAsync(CancellationToken cancellation) =>
            IsDead ? throw new ConnectionLostException(Peer, "the machine is gone (simulated)") : network.ConnectAsync(cancellation);
    }
}
