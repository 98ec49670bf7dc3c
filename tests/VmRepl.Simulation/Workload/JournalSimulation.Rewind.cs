using System.Globalization;
using VmRepl.Journal;
using VmRepl.Journal.Points;
using VmRepl.Journal.Rewind;
using VmRepl.Protocol.Records;
using VmRepl.Simulation.Storage;
using static VmRepl.Simulation.Workload.GroupChecker;

namespace VmRepl.Simulation.Workload;

/// <content>Rewinds, back and forward: finished, given up in the middle, and cut off by crashes and full volumes like everything else.</content>
public sealed partial class JournalSimulation
{
    // The newest records are a rewind's: those that a crash takes are lost for good.
    private bool isRewinding;

    private RecoveryPoint? newestBeforeRewind;

    private void Rewind()
    {
        var points = group!.Journal.Points;
        newestBeforeRewind = group.Journal.NewestPoint;
        // As often as not a moment between two points.
        var target = random.Chance(0.3) && FollowedMoment(group) is { } followed ? followed : TargetOfRewind(points);
        // Numbers that the source used and the replica has not are used again here: the source finds out that it was rewound and gives its own up.
        resend = [];
        if (random.Chance(0.3)) PlanCrash(random.Chance(0.5) ? 6 : 40);
        try
        {
            CheckCosts(points);
            using var rewind = GroupRewind.Begin(group, target, SendRewound);
            while (rewind.Step())
            {
                if (random.Chance(0.2)) CheckInRewind(points);
                if (random.Chance(0.1)) group.Journal.Checkpoint();
                if (!random.Chance(0.1)) continue;
                Counters.Add(SimulationCounters.RewindsGivenUp);
                return;
            }

            Require(rewind.DoneBytes == rewind.TotalBytes, $"rewind to {target.Sequence}: {rewind.DoneBytes} of {rewind.TotalBytes} bytes");
            CheckRewound(target, rewind.Finish(), points);
        }
        catch (SimulatedCrashException)
        {
            Counters.Add(SimulationCounters.CrashesInRewind);
            throw;
        }
        finally
        {
            // What a refused batch would have been is the rewind's as well.
            resend = [];
            if (group is not null && !volume.IsDown) maker.AdvanceBehind(group.Journal.Position.Durable, group.Journal.NewestTimeUs);
        }
    }

    /// <summary>Any point; more often than not one that a rewind has gone back over, where there is one: that goes forward again.</summary>
    private RecoveryPoint TargetOfRewind(IReadOnlyList<RecoveryPoint> points)
    {
        var ahead = points.Where(WasRewoundOver).ToList();
        return random.Pick(ahead.Count > 0 && random.Chance(0.7) ? ahead : points);
    }

    private bool WasRewoundOver(RecoveryPoint point) => oracle.Records.Any(r => r.Header.Kind == RecordKind.Rewind && r.Header.Sequence > point.Sequence
        && ulong.Parse(r.Header.Attributes![RecordAttribute.To], CultureInfo.InvariantCulture) < point.Sequence);

    private void SendRewound(IReadOnlyList<Record> records)
    {
        isRewinding = true;
        Send([.. records]);
    }

    private void CheckInRewind(IReadOnlyList<RecoveryPoint> points)
    {
        Require(group!.Journal.Points[^1] == points[^1] && group.Journal.NewestPoint == newestBeforeRewind, "a point is offered in the middle of a rewind");
        Counters.Add(SimulationCounters.ViewsInRewind);
        CheckOnePoint();
    }

    private void CheckRewound(RecoveryPoint target, RecoveryPoint made, IReadOnlyList<RecoveryPoint> before)
    {
        Counters.Add(SimulationCounters.Rewinds);
        if (WasRewoundOver(target)) Counters.Add(SimulationCounters.RewindsForward);
        Require(group!.Journal.Points[^1] == made && group.Journal.NewestPoint == made, $"the newest point is {group.Journal.Points[^1]}, the rewind made {made}");
        Require(made.Consistency == target.Consistency, $"a point that is {target.Consistency} consistent was gone back to, and the new one is {made.Consistency}");
        var start = group.Journal.Position.Start;
        Require(before.Where(p => p.Sequence >= start).All(group.Journal.Points.Contains), "a rewind cost a point");
        // The oracle's word for the target, not for the records that the rewind made.
        CheckLive(group, oracle.Contents(target.Sequence), $"after a rewind to {target.Sequence}");
        CheckMetadata(oracle.Metadata(target.Sequence), oracle.Metadata(made.Sequence), $"metadata after a rewind to {target.Sequence}");
        using var view = group.OpenView(made);
        CheckView(view, oracle, Counters);
    }

    /// <summary>What is said of going back, for every point, against a count of sectors one by one.</summary>
    private void CheckCosts(IReadOnlyList<RecoveryPoint> points)
    {
        var costs = group!.Journal.PointCosts();
        Require(costs.Select(c => c.Point).SequenceEqual(points), "costs are told of other points than there are");
        bool[][] touched = [.. group.Live.OrderBy(l => l.Key).Select(l => new bool[l.Value.Length / 512])];
        long bytes = 0;
        var next = oracle.Records.Count - 1;
        for (var i = costs.Count - 1; i >= 0; i--)
        {
            for (; next >= 0 && oracle.Records[next].Header is var header && header.Sequence > costs[i].Point.Sequence; next--)
            {
                if (!Oracle.IsContents(header.Kind)) continue;
                for (var sector = header.Offset / 512; sector < (header.Offset + header.Length) / 512; sector++)
                {
                    if (touched[header.Disk - 1][sector]) continue;
                    touched[header.Disk - 1][sector] = true;
                    bytes += 512;
                }
            }

            Require(costs[i].RewindBytes == bytes, $"going back to {costs[i].Point.Sequence} takes {bytes} bytes, and {costs[i].RewindBytes} is said");
        }
    }
}
