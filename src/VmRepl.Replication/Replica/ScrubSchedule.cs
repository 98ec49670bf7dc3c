namespace VmRepl.Replication.Replica;

/// <summary>When a replica scrubs its groups by itself, and how hard.</summary>
public sealed record ScrubSchedule
{
    /// <summary>Most bytes read in a second; 0: no scrub in the background. Default 8 MiB/s.</summary>
    public long BytesPerSecond { get; init; } = 8L << 20;

    /// <summary>From the end of a group's last scrub to its next one. Default 7 days.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromDays(7);

    /// <summary>From the replica's start to the first look at what is due; the interval where that is shorter. Default 10 minutes.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(10);
}
