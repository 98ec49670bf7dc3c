using System.Globalization;
using VmRepl.Journal.Points;
using VmRepl.Journal.Scrub;
using VmRepl.Journal.Store;
using static VmRepl.Simulation.Workload.GroupChecker;

namespace VmRepl.Simulation.Workload;

/// <content>Moments between the points that records made: every sequence that was followed is one, none inside a resync is, and a time finds the newest at or before it.</content>
public sealed partial class JournalSimulation
{
    private const int MomentsAtEnd = 12;
    private const int MomentsOfScrub = 4;

    /// <summary>A sequence of a run, as it is found by its number; null where there is no run.</summary>
    private RecoveryPoint? FollowedMoment(GroupStore from)
    {
        var runs = from.Journal.Runs;
        if (runs.Count == 0) return null;
        var run = random.Pick(runs);
        Counters.Add(SimulationCounters.MomentsFollowed);
        return from.FindPoint(Text(run.FirstSequence + (ulong)random.Between(0, (long)(run.LastSequence - run.FirstSequence))));
    }

    /// <summary>Asks for a random sequence, inside the range and a little outside of it, and for a random time.</summary>
    private void CheckAnyMoment(GroupStore from)
    {
        var (start, newest) = (from.Journal.Position.Start, from.Journal.Position.Durable);
        if (from.Journal.Points.Count == 0) return;
        CheckSequence(from, (ulong)random.Between((long)Math.Max(0, (long)start - 3), (long)newest + 3), start);
        // Near a record, at it, or somewhere.
        var record = random.Pick(oracle.Records).Header;
        CheckTime(from, record.TimeUs + (random.Chance(0.5) ? 0 : random.Between(-1, 1)));
        Require(from.FindPoint(PointSelector.Latest) == from.Journal.NewestPoint, "\"latest\" is another point than the newest");
    }

    private void CheckSequence(GroupStore from, ulong sequence, ulong start)
    {
        var isPoint = IsPoint(from, sequence);
        RecoveryPoint found;
        try
        {
            found = from.FindPoint(Text(sequence));
        }
        catch (StoreException e)
        {
            Require(!isPoint, $"{sequence} is a point, and this was said: {e.Message}");
            var begin = oracle.Records.LastOrDefault(r => r.Header.Kind == Protocol.Records.RecordKind.ResyncBegin && r.Header.Sequence <= sequence)?.Header.Sequence;
            var end = oracle.Records.FirstOrDefault(r => r.Header.Kind == Protocol.Records.RecordKind.ResyncEnd && r.Header.Sequence > begin)?.Header.Sequence ?? ulong.MaxValue;
            // One whose beginning was retired is not known by it any more.
            if (begin > start && sequence < end && sequence <= from.Journal.Position.Durable) Require(e.Message.Contains("resync", StringComparison.Ordinal), $"{sequence} lies in the resync that began at {begin}, and this was said: {e.Message}");
            Counters.Add(SimulationCounters.MomentsRefused);
            return;
        }

        Require(isPoint, $"{sequence} is no point from {start} on, and it was found");
        Require(found.Sequence == sequence && found.TimeUs == Math.Max(oracle.TimeOf(sequence), oracle.TimeOf(start)), $"{sequence} is of {oracle.TimeOf(sequence)} us, and {found} was found");
        using var view = from.OpenView(found);
        CheckView(view, oracle, Counters);
        Counters.Add(SimulationCounters.MomentsChecked);
    }

    private void CheckTime(GroupStore from, long timeUs)
    {
        var expected = oracle.Records.Select(r => r.Header).LastOrDefault(h => h.TimeUs <= timeUs && IsPoint(from, h.Sequence))?.Sequence;
        var at = DateTimeOffset.UnixEpoch.AddTicks(timeUs * 10).UtcDateTime.ToString("O", CultureInfo.InvariantCulture);
        try
        {
            var found = from.FindPoint(at);
            Require(found.Sequence == expected && found.TimeUs == oracle.TimeOf(found.Sequence), $"at {at} the newest point is {expected}, and {found} was found");
        }
        catch (StoreException e)
        {
            Require(expected is null, $"at {at} the newest point is {expected}, and this was said: {e.Message}");
        }
    }

    /// <summary>Of the points in runs a scrub names the ends of what is spoiled: each of them is, and nothing outside of them.</summary>
    private void CheckSpoiledRuns(GroupStore from, ScrubReport report, List<ulong> named, string what)
    {
        foreach (var sequence in named) Require(IsSpoiled(from, from.FindPoint(Text(sequence)), oracle), $"{what}: a scrub names sequence {sequence}, which is whole");
        for (var i = 0; i < MomentsOfScrub; i++)
        {
            if (FollowedMoment(from) is not { } moment || !IsSpoiled(from, moment, oracle)) continue;
            Require(report.Damage.Any(d => d.Points.Count > 0 && d.Points.Min(p => p.Sequence) <= moment.Sequence && d.Points.Max(p => p.Sequence) >= moment.Sequence),
                $"{what}: sequence {moment.Sequence} is spoiled, and no damage that a scrub names reaches it");
        }
    }

    /// <summary>What the oracle has beyond the newest durable record is in flight.</summary>
    private bool IsPoint(GroupStore from, ulong sequence) =>
        sequence >= from.Journal.Position.Start && sequence <= from.Journal.Position.Durable && (oracle.Points().Any(p => p.Sequence == sequence) || oracle.Runs(0, from.Journal.Position.Durable).Any(r => r.Contains(sequence)));

    private static string Text(ulong sequence) => sequence.ToString(CultureInfo.InvariantCulture);
}
