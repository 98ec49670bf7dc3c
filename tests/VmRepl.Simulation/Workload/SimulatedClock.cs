namespace VmRepl.Simulation.Workload;

/// <summary>Time moves only when the schedule says so.</summary>
internal sealed class SimulatedClock : TimeProvider
{
    private DateTimeOffset now = DateTimeOffset.UnixEpoch.AddYears(50);

    public long NowUs => (now - DateTimeOffset.UnixEpoch).Ticks / 10;

    public override DateTimeOffset GetUtcNow() => now;

    public void Advance(TimeSpan by) => now += by;
}
