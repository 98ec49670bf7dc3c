namespace VmRepl.Replication.Source;

/// <summary>How a source holds on to its replica.</summary>
public sealed record LinkOptions
{
    /// <summary>How long a round goes on trying to reach a replica that does not answer before it gives up and says so. Default 60 s.</summary>
    public TimeSpan RetryFor { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a round waits for room at the replica, since it last got on, before it ends and says so. Default 30 min.</summary>
    public TimeSpan RoomFor { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>First pause between two attempts; it doubles, with jitter, up to <see cref="RetryDelayMax"/>. Default 0.2 s.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>Default 10 s.</summary>
    public TimeSpan RetryDelayMax { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Where in the pause's range the jitter puts it: a number from 0 to 1; null for Polly's own. A simulation's is its seed's.</summary>
    public Func<double>? Jitter { get; init; }

    /// <summary>How long an attempt to connect may take. Default 10 s.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a link whose connection broke is held on to, since that broke; then it is given up. Null: for <see cref="RetryFor"/>.</summary>
    public TimeSpan? GoneAfter { get; init; }

    /// <summary>How often a ping is sent: two of them within <see cref="SilenceMax"/>. Default 20 s.</summary>
    public TimeSpan PingInterval { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>A connection on which nothing comes for so long is given up. Default 45 s.</summary>
    public TimeSpan SilenceMax { get; init; } = TimeSpan.FromSeconds(45);
}
