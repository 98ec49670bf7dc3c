namespace VmRepl.Agent.Output.Reports;

/// <summary>The state of one protection group.</summary>
/// <param name="Phase">What the group is doing: one lower-case word.</param>
/// <param name="InSync">Whether the replica has everything that the last finished round found.</param>
/// <param name="LagBytes">Bytes found, or written, and not yet durable at the replica.</param>
/// <param name="LagSeconds">Age of the newest point, in seconds; of a served group that of the oldest change that is not at the replica, 0 where there is none. Null before the first point.</param>
/// <param name="Replica">HOST:PORT.</param>
/// <param name="LastPoint">The newest recovery point; null before the first.</param>
/// <param name="RecoveryRange">Null before the first point.</param>
/// <param name="Promise">What holds at this moment, and since when, in one sentence.</param>
/// <param name="Waiting">What the running round waits for, in one sentence; null where it goes on.</param>
/// <param name="Scrub">Null where the replica did not say.</param>
/// <param name="LastError">The last failure that has not been overcome, in one sentence; null where there is none.</param>
public sealed record GroupStatus(
    string Name,
    string Phase,
    bool InSync,
    long LagBytes,
    double? LagSeconds,
    string Replica,
    IReadOnlyList<DiskStatus> Disks,
    RecoveryPointReport? LastPoint,
    RecoveryRangeReport? RecoveryRange,
    string Promise,
    string? Waiting,
    ScrubStatus? Scrub,
    string? LastError)
{
    /// <summary>snapshot or served.</summary>
    public string Capture { get; init; } = "snapshot";

    /// <summary>Of a served group; null otherwise.</summary>
    public FollowingReport? Following { get; init; }
}
