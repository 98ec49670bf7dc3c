using VmRepl.Journal.Points;

namespace VmRepl.Replication.Source;

/// <summary>A group on its source's side, whatever its capture mode.</summary>
internal interface IProtectedGroup
{
    SourceGroupDefinition Definition { get; }

    IReplicaConnector Connector { get; }

    SourceGroupStatus Status { get; }

    /// <summary>Brings the replica level; returns when there is a point at which it is.</summary>
    /// <exception cref="ReplicationException">There is no new point; earlier ones are as they were.</exception>
    Task<RoundResult> SyncAsync(CancellationToken cancellation);

    /// <exception cref="ReplicationException">There is no point to name, the name is in use, or the replica cannot be reached.</exception>
    Task<RecoveryPoint> BookmarkAsync(string name, CancellationToken cancellation);

    /// <summary>Why it cannot be unprotected now, or null.</summary>
    string? WhyBusy { get; }

    /// <summary>Ends what runs for it and lets its disks go.</summary>
    Task StopAsync();
}
