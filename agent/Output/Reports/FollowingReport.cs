namespace VmRepl.Agent.Output.Reports;

/// <summary>The state of a served group, beside what every group has.</summary>
/// <param name="Acknowledgement">async, semi-sync or sync.</param>
/// <param name="OnLoss">continue or stop; null where the group is not sync.</param>
/// <param name="PromiseInForce">Whether what is answered to the guest now is at the replica (sync), or on its way to it within the lag below.</param>
/// <param name="Since">Since when that is so, or is not; null where it never was otherwise.</param>
/// <param name="PromiseEndedAt">Of a sync group: the sequence up to which the last promise held; null where none ended.</param>
/// <param name="PromiseEnded">When it ended.</param>
/// <param name="LagSeconds">Age of the oldest change that the replica is not known to have on stable storage, or a bound of it where that is tracked; 0 where there is none, null before the first point and where the disks could not be opened.</param>
/// <param name="DirtyBytes">Bytes marked as possibly different.</param>
/// <param name="DirtyPrecision">"exact", or "segments" where marks were made coarser or cannot be trusted to be exact; "unknown" where the disks could not be opened.</param>
/// <param name="ToCopyBytes">Still to be brought over by the running baseline or resync.</param>
/// <param name="BytesPerSecond">Its rate; null where none runs.</param>
/// <param name="SecondsLeft">At that rate; null where none runs, or it has to wait.</param>
/// <param name="CreditBytes">Granted by the replica and not used.</param>
/// <param name="Last">Newest sequence.</param>
/// <param name="Durable">Newest sequence known durable at the replica.</param>
/// <param name="Overflows">Times that a change found the buffer full and was tracked.</param>
/// <param name="Anchors">Anchors made since the agent started: moments from which a replica that has lost something can be brought level.</param>
/// <param name="HeldByAnchors">Writes that the making of one held up, since then.</param>
/// <param name="Happened">The last thing that happened to the link, in one sentence.</param>
public sealed record FollowingReport(
    string Acknowledgement,
    string? OnLoss,
    bool PromiseInForce,
    DateTimeOffset? Since,
    ulong? PromiseEndedAt,
    DateTimeOffset? PromiseEnded,
    double? LagSeconds,
    long DirtyBytes,
    string DirtyPrecision,
    long ToCopyBytes,
    double? BytesPerSecond,
    double? SecondsLeft,
    long CreditBytes,
    ulong Last,
    ulong Durable,
    long Overflows,
    long Anchors,
    long HeldByAnchors,
    string? Happened);
