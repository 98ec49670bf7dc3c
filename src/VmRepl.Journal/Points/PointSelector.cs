using System.Globalization;
using VmRepl.Journal.Store;

namespace VmRepl.Journal.Points;

/// <summary>Finds the recovery point that an administrator means.</summary>
public static class PointSelector
{
    public const string Latest = "latest";

    /// <param name="group">For messages.</param>
    /// <param name="points">Oldest first.</param>
    /// <param name="at">"latest", a bookmark's name, a sequence in decimal, or an ISO 8601 time, UTC where it names no zone: then the newest point at or before it.</param>
    /// <exception cref="StoreException">There is no such point.</exception>
    public static RecoveryPoint Find(string group, IReadOnlyList<RecoveryPoint> points, string at)
    {
        if (points.Count == 0) throw new StoreException($"group {group} has no recovery point yet", "Its baseline has not ended; vmrepl status shows how far it is.");
        if (at == Latest) return points[^1];
        if (points.LastOrDefault(p => p.Bookmark == at) is { } named) return named;
        if (at.All(char.IsAsciiDigit))
        {
            return points.LastOrDefault(p => p.Sequence.ToString(CultureInfo.InvariantCulture) == at)
                ?? throw new StoreException($"sequence {at} is no recovery point of group {group}", "vmrepl points lists them.");
        }

        if (!DateTimeOffset.TryParse(at, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) || !char.IsAsciiDigit(at[0]))
            throw new StoreException($"group {group} has no bookmark named {at}", "--at takes latest, a bookmark, a sequence or an ISO 8601 time; vmrepl points lists them.");
        return points.LastOrDefault(p => p.Time <= time)
            ?? throw new StoreException($"group {group} has no recovery point at or before {time.UtcDateTime:O}", $"The oldest is at {points[0].Time.UtcDateTime:O}.");
    }
}
