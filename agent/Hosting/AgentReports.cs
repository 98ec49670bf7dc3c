using VmRepl.Agent.Output.Reports;
using VmRepl.Images;
using VmRepl.Replication.Reading;
using VmRepl.Replication.Source;
using VmRepl.Replication.Source.Following;

namespace VmRepl.Agent.Hosting;

/// <summary>Turns what the agent knows into what its commands print.</summary>
internal static class AgentReports
{
    public static GroupStatus Status(SourceGroupStatus status, ScrubCoverage? scrub, IReadOnlyList<LinkDecision> decisions, DateTimeOffset now)
    {
        var progress = Known(status, scrub);
        var report = status.Following is { } following ? FollowingReports.Of(following, decisions, now) : null;
        RecoveryPointReport? point = progress.PointSequence == 0 ? null : new(progress.PointSequence, Time(progress.PointTimeUs), progress.Bookmark);
        var inSync = status.Following?.IsFollowed ?? (point is not null && status is { Phase: "idle", LastError: null });
        return new GroupStatus(
            status.Definition.Name,
            status.Phase,
            inSync,
            status.ChangedBytes,
            report is not null ? report.LagSeconds : point is null ? null : Math.Max(0, (now - point.Time).TotalSeconds),
            status.Definition.Replica,
            Disks(status.Definition, status.Seeds),
            point,
            point is null ? null : new RecoveryRangeReport(Time(progress.FirstPointTimeUs), point.Time),
            status.Following is { } followed ? FollowingReports.Promise(followed) : Promise(point),
            status.Waiting,
            scrub is null ? null : new ScrubStatus(scrub.Finished, scrub.Age?.TotalSeconds, Math.Round(scrub.Percent, 1), scrub.RegionsVerified, scrub.RegionsTotal, scrub.DamageCount),
            status.LastError)
        {
            Capture = report is null ? "snapshot" : "served",
            Following = report,
        };
    }

    /// <summary>The points as the replica says they are, where it says so; else as the source knows them. Of a group in snapshot mode the newest is the last round's.</summary>
    private static SourceProgress Known(SourceGroupStatus status, ScrubCoverage? replica) => replica?.Points switch
    {
        null => status.Progress,
        var points when status.Following is null => status.Progress with { FirstPointTimeUs = points.OldestUs },
        var points => status.Progress with { FirstPointTimeUs = points.OldestUs, PointSequence = points.NewestSequence, PointTimeUs = points.NewestUs },
    };

    public static IReadOnlyList<DiskStatus> Disks(SourceGroupDefinition definition, IReadOnlyList<SeedOutcome> seeds) =>
        [.. definition.Disks.Select(d => new DiskStatus(d.Name, d.File, d.Format.Name(), d.Length) { Seed = Seed(d, seeds) })];

    public static SyncReport Sync(string group, RoundResult round) =>
        new(group, new RecoveryPointReport(round.Sequence, Time(round.TimeUs)), round.BytesSent, round.DigestBytesSent, round.ChangedBytes, round.Duration.TotalSeconds);

    public static ProtectReport Protect(SourceGroupDefinition definition, IReadOnlyList<SeedOutcome> seeds, string phase, RoundResult? round) =>
        new(definition.Name, phase, round is null ? null : new RecoveryPointReport(round.Sequence, Time(round.TimeUs)), Disks(definition, seeds), round?.BytesSent ?? 0, round?.Duration.TotalSeconds ?? 0);

    public static DateTimeOffset Time(long microseconds) => DateTimeOffset.UnixEpoch.AddTicks(microseconds * 10);

    private static SeedReport? Seed(SourceDisk disk, IReadOnlyList<SeedOutcome> seeds) => disk.Seed is not { } seed ? null
        : seeds.FirstOrDefault(s => s.Disk == disk.Name) is not { } used ? new SeedReport(seed.File, seed.Format?.Name(), null, null, null)
        : new SeedReport(used.File, used.Format.Length > 0 ? used.Format : null, used.Length > 0 ? used.Length : null, used.CopiedBytes, used.Problem.Length > 0 ? used.Problem : null);

    private static string Promise(RecoveryPointReport? point) => point is null
        ? "Nothing can be restored yet: the baseline has not ended."
        : "Snapshot mode: the disks can be had as of each recovery point; what changed since the newest one is not protected before the next sync.";
}
