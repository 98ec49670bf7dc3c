using VmRepl.Agent.Output;
using VmRepl.Agent.Output.Reports;
using VmRepl.Replication.Source.Following;

namespace VmRepl.Agent.Hosting;

/// <summary>Puts the state of a served group into words and figures.</summary>
internal static class FollowingReports
{
    public static FollowingReport Of(FollowStatus status, IReadOnlyList<LinkDecision> decisions, DateTimeOffset now)
    {
        var isCopying = status.Phase is "baseline" or "resync";
        var since = Since(status);
        return new FollowingReport(
            Name(status.Acknowledgement),
            status.Acknowledgement == AcknowledgementMode.Sync ? status.OnLoss == LossRule.Stop ? "stop" : "continue" : null,
            status.Acknowledgement == AcknowledgementMode.Sync ? status.Promise?.IsInForce ?? false : status.IsFollowed,
            since == 0 ? null : AgentReports.Time(since),
            status.Promise?.Ended?.Sequence,
            status.Promise?.Ended is { } ended ? AgentReports.Time(ended.TimeUs) : null,
            status.OldestMissingUs is { } oldest ? Math.Max(0, (now - AgentReports.Time(oldest)).TotalSeconds) : status.FirstPointTimeUs == 0 || status.Phase == "failed" ? null : 0,
            status.DirtyBytes,
            status.Phase == "failed" ? "unknown" : status.DirtyIsExact ? "exact" : "segments",
            status.ToCopyBytes,
            isCopying ? status.BytesPerSecond : null,
            isCopying && status is { BytesPerSecond: > 0, LinkDown: null, Waiting: null } ? status.ToCopyBytes / status.BytesPerSecond : null,
            status.CreditBytes,
            status.Last,
            status.Durable,
            status.Overflows,
            status.Anchors,
            status.HeldByAnchors,
            Happened(status, decisions));
    }

    private static string? Happened(FollowStatus status, IReadOnlyList<LinkDecision> decisions) => status switch
    {
        { LinkDown: { } down } => $"no connection{(status.LinkSinceUs == 0 ? "" : $" since {At(status.LinkSinceUs)}")}: {down}",
        { Phase: "tracking", LostSyncUs: not 0 } => $"no link, and not in sync since {At(status.LostSyncUs)}{(status.LastError is { } error ? $": {error}" : "; it is being made anew")}",
        _ => decisions is [.., var last] ? $"{last.Decision} at {At(last.TimeUs)}, because {last.Cause}" : null,
    };

    private static string At(long us) => IsoTime.Format(AgentReports.Time(us));

    /// <summary>Since when the promise is in force, or is not.</summary>
    private static long Since(FollowStatus status) => status switch
    {
        { Acknowledgement: AcknowledgementMode.Sync, Promise: { IsInForce: true } promise } => promise.SinceUs,
        { Acknowledgement: AcknowledgementMode.Sync } => status.Promise?.Ended?.TimeUs ?? 0,
        { IsFollowed: true } => Math.Max(status.InSyncSinceUs, status.LinkSinceUs),
        { IsInSync: true } => status.LinkSinceUs,
        _ => status.LostSyncUs,
    };

    /// <summary>What holds at this moment, in one sentence.</summary>
    public static string Promise(FollowStatus status) => status switch
    {
        { Phase: "failed", FirstPointTimeUs: 0 } => "NOT served: the disks could not be opened, so no guest can write to them here; nothing can be restored yet.",
        { Phase: "failed" } => "NOT served: the disks could not be opened, so no guest can write to them here; the points before are kept.",
        { Acknowledgement: AcknowledgementMode.Sync, Promise.IsInForce: true, IsFollowed: false } => "Sync: the replica was lost a moment ago; no write is answered until it is back or its lease has run out.",
        { Acknowledgement: AcknowledgementMode.Sync, Promise.IsInForce: true } => "Sync: what is answered to the guest is on stable storage at the replica.",
        { Acknowledgement: AcknowledgementMode.Sync, OnLoss: LossRule.Stop, Promise.Ended: not null } => "Sync, stopped: the replica was lost, and the guest's writes wait until it is in sync again.",
        { FirstPointTimeUs: 0 } => "Nothing can be restored yet: the baseline has not ended.",
        { Acknowledgement: AcknowledgementMode.Sync } => "NOT protected in sync: the guest goes on alone, changes are tracked and brought over.",
        { IsInSync: true, IsFollowed: false } => "No connection: changes wait in the buffer, in order, and are not at the replica; it goes on where it was when the connection is back, and is tracked when that takes too long.",
        { IsInSync: true, GoesAsAsync: true } => "Semi-sync, going as async: the replica is behind; every write is on its way to it.",
        { IsInSync: true, Acknowledgement: AcknowledgementMode.SemiSync } => "Semi-sync: what is answered to the guest is at the replica, as long as that is quick enough.",
        { IsInSync: true } => "Async: every write is on its way to the replica, and every moment is a recovery point.",
        _ => "The replica is behind: changes are tracked and brought over; the points before are kept, none are made.",
    };

    public static string Name(AcknowledgementMode mode) => mode switch { AcknowledgementMode.Sync => "sync", AcknowledgementMode.SemiSync => "semi-sync", _ => "async" };
}
