namespace VmRepl.Replication.Source.Following;

/// <summary>The contents of <c>following.json</c>. Times are microseconds since 1970.</summary>
internal sealed record FollowState
{
    /// <summary>The store that the group was followed to.</summary>
    public Guid StoreId { get; init; }

    /// <summary>Sequence of the replica's newest rewind that this group was brought level after; 0 for none.</summary>
    public ulong NewestRewind { get; init; }

    /// <summary>Newest source timestamp known when the file was written; the next is later.</summary>
    public long TimeUs { get; init; }

    /// <summary>SHA-256 of each value that the replica has, by key.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    /// <summary>0 where it is not in sync.</summary>
    public long InSyncSinceUs { get; init; }

    /// <summary>0 where it is in sync or never was.</summary>
    public long LostSyncUs { get; init; }

    /// <summary>Where it is not in sync: no change made before this is missing at the replica. 0 where it is in sync or never was.</summary>
    public long MissingSinceUs { get; init; }

    /// <summary>Newest point known when the file was written; 0 before the first.</summary>
    public ulong PointSequence { get; init; }

    /// <summary>Its time.</summary>
    public long PointTimeUs { get; init; }

    /// <summary>0 before the first point.</summary>
    public long FirstPointTimeUs { get; init; }

    /// <summary>Put on the wire by links that have ended.</summary>
    public long BytesSent { get; init; }

    /// <summary>Oldest first.</summary>
    public IReadOnlyList<LinkDecision> Decisions { get; init; } = [];
}
