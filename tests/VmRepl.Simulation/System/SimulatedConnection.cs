using VmRepl.Simulation.Storage;

namespace VmRepl.Simulation.System;

/// <summary>A connection between a source and a replica, with what happens to it decided when it is made.</summary>
internal sealed class SimulatedConnection
{
    private readonly SimulatedPipe forth;
    private readonly SimulatedPipe back;
    private TimeSpan extraDelay;

    public SimulatedConnection(SimulatedTime time, SeededRandom random, SystemCounters counters, TimeSpan latency)
    {
        forth = new SimulatedPipe(time, Delay);
        back = new SimulatedPipe(time, Delay);
        Source = new SimulatedTransport("replica:1", forth, back, random, counters);
        Replica = new SimulatedTransport("source:1", back, forth, random, counters);

        // Whole milliseconds: timers know no less.
        TimeSpan Delay() => extraDelay + TimeSpan.FromMilliseconds((long)latency.TotalMilliseconds * random.Between(50, 200) / 100);
    }

    public SimulatedTransport Source { get; }

    public SimulatedTransport Replica { get; }

    public bool IsCut { get; private set; }

    public TimeSpan MadeAt { get; init; }

    /// <summary>Cuts it when so many more bytes went one way.</summary>
    public void CutAfter(bool isForth, long bytes, ConnectionCut kind)
    {
        var pipe = isForth ? forth : back;
        pipe.Budget = bytes;
        pipe.Spent = () => Cut(kind);
    }

    /// <summary>From now on all that is sent takes longer.</summary>
    public void Slow(TimeSpan by) => extraDelay = by;

    public void Cut(ConnectionCut kind)
    {
        if (IsCut) return;
        IsCut = true;
        const string why = "the network lost it (simulated)";
        switch (kind)
        {
            case ConnectionCut.Both:
                forth.LoseWriter(why);
                forth.LoseReader(why);
                back.LoseWriter(why);
                back.LoseReader(why);
                break;
            case ConnectionCut.SourceOnly:
                forth.LoseWriter(why);
                back.LoseReader(why);
                break;
            case ConnectionCut.ReplicaOnly:
                forth.LoseReader(why);
                back.LoseWriter(why);
                back.IsDead = true;
                break;
            default:
                (forth.IsDead, back.IsDead) = (true, true);
                break;
        }
    }

    /// <summary>One of the machines is gone: its end says nothing any more, the other is told.</summary>
    public void LoseMachine(bool isSource)
    {
        IsCut = true;
        const string why = "the machine is gone (simulated)";
        if (isSource)
        {
            forth.LoseWriter(why);
            back.LoseReader(why);
        }
        else
        {
            forth.LoseReader(why);
            back.LoseWriter(why);
            back.LoseReader("reset by peer (simulated)");
            forth.LoseWriter("reset by peer (simulated)");
        }
    }
}
