namespace VmRepl.Replication.Source;

/// <summary>
/// Ticks that everybody shares who waits with the same interval: what hundreds of idle groups do now and then they do in one wake-up of the processor. A wake-up of its own costs each of them several times what it has to do.
/// </summary>
internal static class CommonTick
{
    /// <summary>Ends with the next tick: after the interval at the most.</summary>
    public static Task NextAsync(TimeSpan interval, TimeProvider time, CancellationToken cancellation)
    {
        var sinceLast = TimeSpan.FromTicks(time.GetElapsedTime(0).Ticks % interval.Ticks);
        return Task.Delay(interval - sinceLast, time, cancellation);
    }
}
