namespace VmRepl.Replication.Source;

/// <summary>Time as records, points and the agent's state have it: microseconds since 1970.</summary>
internal static class WireTime
{
    public static long NowUs(this TimeProvider time) => (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
}
