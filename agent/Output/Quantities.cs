using System.Globalization;

namespace VmRepl.Agent.Output;

/// <summary>Sizes, rates and durations as people read them, in the invariant culture.</summary>
public static class Quantities
{
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

    /// <summary>"0 B", "512 B", "12.3 MiB", "2 GiB".</summary>
    public static string Size(long bytes)
    {
        if (bytes < 0) return "-" + Size(bytes == long.MinValue ? long.MaxValue : -bytes);
        double value = bytes;
        var unit = 0;
        // 1023.95 would be written as "1024.0": the next unit says it better.
        while (value >= 1023.95 && unit < Units.Length - 1)
        {
            value /= 1024;
            unit++;
        }

        return value.ToString(unit == 0 ? "0" : value >= 100 ? "0" : "0.#", CultureInfo.InvariantCulture) + " " + Units[unit];
    }

    /// <summary>"12.3 MiB/s".</summary>
    public static string Rate(double bytesPerSecond) => Size((long)Math.Clamp(bytesPerSecond, 0, 1e18)) + "/s";

    /// <summary>"0.42 s", "12.3 s", "3 min 05 s", "2 h 07 min", "3 d 04 h".</summary>
    public static string Duration(TimeSpan duration)
    {
        if (duration < TimeSpan.Zero) return "-" + Duration(duration == TimeSpan.MinValue ? TimeSpan.MaxValue : -duration);
        var seconds = duration.TotalSeconds;
        return seconds switch
        {
            < 9.995 => seconds.ToString("0.00", CultureInfo.InvariantCulture) + " s",
            < 59.95 => seconds.ToString("0.0", CultureInfo.InvariantCulture) + " s",
            < 3599.5 => Pair((long)Math.Round(seconds), 60, "min", "s"),
            < 86_370 => Pair((long)Math.Round(seconds / 60), 60, "h", "min"),
            _ => Pair((long)Math.Round(seconds / 3600), 24, "d", "h"),
        };
    }

    /// <summary>Time left, coarser than a duration: "12 s", "3 min 05 s".</summary>
    public static string TimeLeft(TimeSpan left) =>
        left.TotalSeconds < 59.5 ? string.Create(CultureInfo.InvariantCulture, $"{Math.Ceiling(Math.Max(0, left.TotalSeconds)):0} s") : Duration(left);

    private static string Pair(long amount, long per, string large, string small) =>
        string.Create(CultureInfo.InvariantCulture, $"{amount / per} {large} {amount % per:00} {small}");
}
