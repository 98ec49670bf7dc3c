namespace VmRepl.Replication.Tests.Tracking;

/// <summary>Time moves when the test says so.</summary>
internal sealed class SimulatedTime : TimeProvider
{
    private DateTimeOffset now = DateTimeOffset.UnixEpoch.AddYears(50);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() => now;

    public override long GetTimestamp() => now.UtcTicks;

    public void Advance(TimeSpan by) => now += by;
}
