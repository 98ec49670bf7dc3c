using System.Globalization;
using VmRepl.Journal.Store;

namespace VmRepl.Journal.Points;

/// <summary>Finds the recovery point that an administrator means.</summary>
public static class PointSelector
{
    public const string Latest = "latest";

    /// <inheritdoc cref="Find(PointChoice, string)"/>
    /// <param name="group">For messages.</param>
    /// <param name="points">Oldest first.</param>
    public static RecoveryPoint Find(string group, IReadOnlyList<RecoveryPoint> points, string at) => Find(new PointChoice(group, points, [], [], (_, _) => null), at);

    /// <param name="at">"latest", a bookmark's name, a sequence in decimal, or an ISO 8601 time, UTC where it names no zone: then the newest point at or before it.</param>
    /// <exception cref="StoreException">There is no such point.</exception>
    internal static RecoveryPoint Find(PointChoice choice, string at)
    {
        var (group, points) = (choice.Group, choice.Points);
        if (points.Count == 0) throw new StoreException($"group {group} has no recovery point yet", "Its baseline has not ended; vmrepl status shows how far it is.");
        if (at == Latest) return choice.Newest;
        if (points.LastOrDefault(p => p.Bookmark == at) is { } named) return named;
        if (at.All(char.IsAsciiDigit)) return BySequence(choice, at);

        if (!DateTimeOffset.TryParse(at, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) || !char.IsAsciiDigit(at[0]))
            throw new StoreException($"group {group} has no bookmark named {at}", "--at takes latest, a bookmark, a sequence or an ISO 8601 time; vmrepl points lists them.");
        return ByTime(choice, time) ?? throw new StoreException($"group {group} has no recovery point at or before {time.UtcDateTime:O}", $"The oldest is at {points[0].Time.UtcDateTime:O}.");
    }

    private static RecoveryPoint BySequence(PointChoice choice, string at)
    {
        if (choice.Points.LastOrDefault(p => p.Sequence.ToString(CultureInfo.InvariantCulture) == at) is { } point) return point;
        if (!ulong.TryParse(at, NumberStyles.None, CultureInfo.InvariantCulture, out var sequence) || sequence.ToString(CultureInfo.InvariantCulture) != at) throw NoPoint(choice, at, "");
        if (choice.Runs.FirstOrDefault(r => r.Contains(sequence)) is { } run)
        {
            if (sequence == run.LastSequence) return run.Last;
            // Right behind the start of the range there may be none: its own record is retired.
            var timeUs = choice.NewestRecord(sequence, long.MaxValue) is { } record && record.Sequence >= run.FirstSequence ? record.TimeUs : run.FirstTimeUs;
            return new RecoveryPoint(sequence, timeUs, null, RecoveryPoint.Crash);
        }

        if (choice.Resyncs.FirstOrDefault(r => sequence >= r.Begin && (r.End == 0 || sequence < r.End)) is { Begin: > 0 } resync)
        {
            var where = resync.End == 0 ? $"the resync that began at {resync.Begin} and has not ended" : $"the resync from {resync.Begin} to {resync.End}, which is a point";
            throw NoPoint(choice, at, $": it lies in {where}; {(Before(choice, sequence) is > 0 and var before ? $"the newest point before it is {before}" : "there is no point before it")}");
        }

        throw NoPoint(choice, at, sequence < choice.Points[0].Sequence ? $": the oldest is {choice.Points[0].Sequence}" : sequence > choice.Newest.Sequence ? $": the newest is {choice.Newest.Sequence}" : "");
    }

    private static RecoveryPoint? ByTime(PointChoice choice, DateTimeOffset time)
    {
        var made = choice.Points.LastOrDefault(p => p.Time <= time);
        if (choice.Runs.LastOrDefault(r => r.FirstTime <= time) is not { } run || run.LastSequence <= (made?.Sequence ?? 0)) return made;
        if (run.LastTime <= time) return run.Last;
        // Whole microseconds, rounded down.
        var timeUs = (long)Math.Floor((time - DateTimeOffset.UnixEpoch).Ticks / (decimal)TimeSpan.TicksPerMicrosecond);
        return choice.NewestRecord(run.LastSequence, timeUs) is { } record && record.Sequence >= run.FirstSequence && record.Sequence > (made?.Sequence ?? 0)
            ? new RecoveryPoint(record.Sequence, record.TimeUs, null, RecoveryPoint.Crash)
            : made;
    }

    private static ulong Before(PointChoice choice, ulong sequence) =>
        Math.Max(choice.Points.LastOrDefault(p => p.Sequence < sequence)?.Sequence ?? 0, choice.Runs.LastOrDefault(r => r.LastSequence < sequence)?.LastSequence ?? 0);

    private static StoreException NoPoint(PointChoice choice, string at, string why) => new($"sequence {at} is no recovery point of group {choice.Group}{why}", "vmrepl points lists them.");
}
