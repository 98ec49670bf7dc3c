namespace VmRepl.Replication.Source.Following;

/// <summary>When a write of the guest is answered.</summary>
public enum AcknowledgementMode
{
    /// <summary>When it is in the local file; the guest never waits for the replica.</summary>
    Async,

    /// <summary>When the replica has it too, until the latency or the lag passes a bound; then as async until the replica has caught up.</summary>
    SemiSync,

    /// <summary>When the replica's journal has it on stable storage. Alone the guest goes on only when the replica's lease has run out and the end of the promise is recorded.</summary>
    Sync,
}

/// <summary>What happens to the guest's writes when the promise of <see cref="AcknowledgementMode.Sync"/> ends.</summary>
public enum LossRule
{
    /// <summary>They go on, unprotected, and the end of the promise is recorded.</summary>
    Continue,

    /// <summary>They wait until the replica is in sync again.</summary>
    Stop,
}

/// <summary>How a group is followed.</summary>
public sealed record FollowOptions
{
    public AcknowledgementMode Acknowledgement { get; init; }

    public LossRule OnLoss { get; init; }

    /// <summary>Most bytes of records that wait for the replica or its acknowledgement; what comes beyond is tracked and brought over later. Default 64 MiB.</summary>
    public long BufferBytes { get; init; } = 64 << 20;

    /// <summary>Longest that a record of an async group waits for others that go in the same message. Default 2 ms.</summary>
    public TimeSpan GatherFor { get; init; } = TimeSpan.FromMilliseconds(2);

    /// <summary>How long after the replica's last sign of life the guest of a sync group waits before it goes on alone. Default 5 s.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a broken connection may be away before its link is given up: what waits for it goes over to marks, and only what differs at the end is brought over. Default 10 s.</summary>
    public TimeSpan GoneAfter { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Longest that a write of a semi-sync group waits for the replica. Default 200 ms.</summary>
    public TimeSpan SemiSyncWait { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>Bytes not yet durable at the replica beyond which a semi-sync group does not wait. Default 16 MiB.</summary>
    public long SemiSyncLagBytes { get; init; } = 16 << 20;

    /// <summary>How often an anchor is made while the replica is in sync and the guest writes. Default 30 s.</summary>
    public TimeSpan AnchorEvery { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Pause before a link that was given up is made anew; doubles up to <see cref="RelinkDelayMax"/>. Default 0.5 s.</summary>
    public TimeSpan RelinkDelay { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Default 30 s.</summary>
    public TimeSpan RelinkDelayMax { get; init; } = TimeSpan.FromSeconds(30);
}
