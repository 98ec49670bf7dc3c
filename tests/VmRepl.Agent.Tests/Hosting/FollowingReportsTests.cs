using VmRepl.Agent.Hosting;
using VmRepl.Replication.Source.Following;

namespace VmRepl.Agent.Tests.Hosting;

public class FollowingReportsTests
{
    private const long Second = 1_000_000;

    private static readonly FollowStatus InSync = new() { Phase = "in-sync", IsInSync = true, InSyncSinceUs = 100 * Second, FirstPointTimeUs = 100 * Second, LinkSinceUs = 90 * Second };

    private static readonly FollowStatus Down = InSync with { Phase = "disconnected", LinkDown = "connection reset", LinkSinceUs = 200 * Second, LagBytes = 5000, OldestMissingUs = 203 * Second };

    private static readonly PromiseState Promised = new() { IsInForce = true, SinceUs = 101 * Second };

    [Test]
    public void Of_InSync_IsInForceSinceThen() => Check(InSync, isInForce: true, since: 100, "Async: every write is on its way");

    [Test]
    public void Of_AsyncWithoutAConnection_IsNotInForceSinceItBroke()
    {
        Check(Down, isInForce: false, since: 200, "No connection");
        var report = Report(Down);
        Assert.That(report.LagSeconds, Is.EqualTo(7));
        Assert.That(report.Happened, Is.EqualTo("no connection since 1970-01-01T00:03:20.000000Z: connection reset"));
    }

    [Test]
    public void Of_AsyncWhoseConnectionIsBack_IsInForceSinceThen() => Check(InSync with { LinkSinceUs = 300 * Second }, isInForce: true, since: 300, "Async");

    [Test]
    public void Of_SyncWithoutAConnectionWithinTheLease_HoldsStill() =>
        Check(Down with { Acknowledgement = AcknowledgementMode.Sync, Promise = Promised }, isInForce: true, since: 101, "Sync: the replica was lost a moment ago");

    [Test]
    public void Of_SyncWithoutAConnectionAfterTheLease_EndedThen() =>
        Check(Down with { Acknowledgement = AcknowledgementMode.Sync, Promise = Promised with { IsInForce = false, Ended = new PromiseState.End(7, 205 * Second, "lease") } }, isInForce: false, since: 205, "NOT protected in sync");

    private static void Check(FollowStatus status, bool isInForce, long since, string words)
    {
        var report = Report(status);
        Assert.That((report.PromiseInForce, report.Since), Is.EqualTo((isInForce, (DateTimeOffset?)DateTimeOffset.UnixEpoch.AddSeconds(since))));
        Assert.That(FollowingReports.Promise(status), Does.StartWith(words));
    }

    private static VmRepl.Agent.Output.Reports.FollowingReport Report(FollowStatus status) => FollowingReports.Of(status, [], DateTimeOffset.UnixEpoch.AddSeconds(210));
}
