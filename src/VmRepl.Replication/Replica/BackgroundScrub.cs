using VmRepl.Journal.Scrub;
using VmRepl.Journal.Store;

namespace VmRepl.Replication.Replica;

/// <summary>
/// Scrubs one group after the other, whenever its last scrub is old enough, below a rate. What it finds is logged and noted beside the group (<c>scrub.json</c>).
/// One that is cut off by the replica's end begins anew; digests that it took are kept.
/// </summary>
public sealed class BackgroundScrub(ReplicaSite site, ScrubSchedule schedule)
{
    public async Task RunAsync(CancellationToken cancellation)
    {
        if (schedule.BytesPerSecond <= 0) return;
        var pause = schedule.Patience < schedule.Interval ? schedule.Patience : schedule.Interval;
        while (true)
        {
            await Task.Delay(pause, site.Time, cancellation);
            foreach (var group in site.Store.Groups.Where(IsDue)) await ScrubAsync(group, cancellation);
        }
    }

    private bool IsDue(GroupStore group)
    {
        if (group.Phase == GroupPhase.Baseline || group.Journal.IsFailed) return false;
        try
        {
            return group.ReadLastScrub() is not { } last || site.Time.GetUtcNow() - last.Finished >= schedule.Interval;
        }
        catch (Exception e) when (e is StoreException or IOException)
        {
            // What was noted is lost; it is noted anew at the end of this one.
            return true;
        }
    }

    private async Task ScrubAsync(GroupStore group, CancellationToken cancellation)
    {
        var name = group.Description.Name;
        try
        {
            var report = await GroupScrub.RunAsync(group, new ScrubOptions { BytesPerSecond = schedule.BytesPerSecond, Time = site.Time }, cancellation);
            group.NoteScrub(LastScrub.Of(report, site.Time.GetUtcNow()));
            foreach (var damage in report.Damage) SessionLog.Damaged(site.Log, name, damage.Disk ?? "-", damage.FirstSector, damage.SectorCount, damage.Where, damage.PointCount);
            SessionLog.Scrubbed(site.Log, name, report.DamageCount, report.ScannedBytes, report.RegionsVerified, report.Duration.TotalSeconds);
        }
        catch (Exception e) when (e is StoreException or IOException)
        {
            SessionLog.Failed(site.Log, name, $"the scrub ended early: {e.Message}", e);
        }
    }
}
