namespace VmRepl.Replication.Replica;

/// <summary>Limits of a replica's sessions.</summary>
public sealed record ReplicaOptions
{
    /// <summary>Bytes that all sessions together may have sent and not yet seen processed; each gets an equal part, and at least 4 MiB. Default 256 MiB; at least twice the largest record.</summary>
    public long CreditBytes { get; init; } = 256L << 20;

    /// <summary>How long a rewind waits for the end of a session of its group before it is refused. Default 3 s.</summary>
    public TimeSpan RewindWait { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>From one look for room to the next while a session waits for some. Default 1 s.</summary>
    public TimeSpan RoomPoll { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>A session from which nothing comes for so long is closed; the source pings every few seconds. Default 60 s.</summary>
    public TimeSpan SilenceMax { get; init; } = TimeSpan.FromSeconds(60);
}
