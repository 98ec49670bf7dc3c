namespace VmRepl.Replication.Source.Following;

/// <summary>A followed group as its source sees it at one moment. Times are microseconds since 1970.</summary>
public sealed record FollowStatus
{
    /// <summary>"baseline", "resync", "in-sync"; "disconnected" where it was in sync, the connection broke, and the buffer holds what changes; "tracking" where there is no link; "failed" where the disks could not be opened.</summary>
    public required string Phase { get; init; }

    /// <summary>Whether nothing is tracked: the replica has everything, or will have it in order by this link. Not whether there is a connection.</summary>
    public bool IsInSync { get; init; }

    /// <summary>Whether changes reach the replica now.</summary>
    public bool IsFollowed => IsInSync && LinkDown is null;

    public AcknowledgementMode Acknowledgement { get; init; }

    public LossRule OnLoss { get; init; }

    /// <summary>Whether a semi-sync group does not wait at present, because the replica was too slow.</summary>
    public bool GoesAsAsync { get; init; }

    /// <summary>Of a sync group; null otherwise.</summary>
    public PromiseState? Promise { get; init; }

    /// <summary>Since when it is in sync; 0 where it is not.</summary>
    public long InSyncSinceUs { get; init; }

    /// <summary>Since when it is not in sync; 0 where it is, or never was.</summary>
    public long LostSyncUs { get; init; }

    /// <summary>Bytes on their way and not yet durable at the replica.</summary>
    public long LagBytes { get; init; }

    /// <summary>When the oldest change was made that the replica is not known to have; null where there is none. Where it is not in sync: none is older.</summary>
    public long? OldestMissingUs { get; init; }

    /// <summary>Bytes marked as possibly different.</summary>
    public long DirtyBytes { get; init; }

    /// <summary>Whether the marks are exact sectors; else segments, or all that could not be trusted.</summary>
    public bool DirtyIsExact { get; init; }

    /// <summary>Bytes still to be brought over by the running baseline or resync.</summary>
    public long ToCopyBytes { get; init; }

    /// <summary>Of it, when it began.</summary>
    public long TotalBytes { get; init; }

    /// <summary>Of them, done.</summary>
    public long DoneBytes { get; init; }

    public double BytesPerSecond { get; init; }

    /// <summary>Newest sequence stamped, or known durable at the replica before any was; and its time.</summary>
    public ulong Last { get; init; }

    /// <inheritdoc cref="Last"/>
    public long LastTimeUs { get; init; }

    /// <summary>Newest sequence known durable at the replica.</summary>
    public ulong Durable { get; init; }

    /// <summary>Times that a change found no room in the buffer and was tracked.</summary>
    public long Overflows { get; init; }

    /// <summary>Anchors made since the agent began to follow.</summary>
    public long Anchors { get; init; }

    /// <summary>Writes that the making of an anchor held up, since then.</summary>
    public long HeldByAnchors { get; init; }

    /// <summary>Bytes that the replica has granted and that were not used.</summary>
    public long CreditBytes { get; init; }

    /// <summary>Bytes put on the wire since the agent began to follow.</summary>
    public long BytesSent { get; init; }

    /// <summary>Newest point known to be at the replica; 0 before the first.</summary>
    public ulong PointSequence { get; init; }

    /// <summary>Its time.</summary>
    public long PointTimeUs { get; init; }

    /// <summary>The oldest point's time, as the replica said it when the link was made; 0 before the first.</summary>
    public long FirstPointTimeUs { get; init; }

    /// <summary>Why there is no connection at the moment; null where there is one.</summary>
    public string? LinkDown { get; init; }

    /// <summary>Since when there is a connection, or none; 0 where there is no link.</summary>
    public long LinkSinceUs { get; init; }

    /// <summary>What the replica waits for, in a sentence; null while it goes on.</summary>
    public string? Waiting { get; init; }

    public string? LastError { get; init; }

    public string? NextStep { get; init; }

    /// <summary>Whether the last failure will be the same again until somebody changes something.</summary>
    public bool IsRefused { get; init; }
}
