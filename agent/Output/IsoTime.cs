using System.Globalization;

namespace VmRepl.Agent.Output;

/// <summary>Moments as they are written and read: ISO 8601, UTC, microseconds.</summary>
public static class IsoTime
{
    private const string Written = "yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'";

    /// <summary>The least that counts as a moment is a date with dashes; anything shorter is a name or a number.</summary>
    private static readonly string[] Read =
    [
        "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK", "yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mmK", "yyyy-MM-dd",
        "yyyy-MM-dd HH:mm:ss.FFFFFFFK", "yyyy-MM-dd HH:mm:ssK", "yyyy-MM-dd HH:mmK",
        "yyyyMMdd'T'HHmmssK", "yyyyMMdd'T'HHmmK",
    ];

    /// <summary>"2026-05-01T09:30:00.123456Z".</summary>
    public static string Format(DateTimeOffset time) => time.UtcDateTime.ToString(Written, CultureInfo.InvariantCulture);

    /// <summary>Reads an ISO 8601 moment. One without an offset is UTC, as everything here that is printed.</summary>
    public static bool TryParse(string text, out DateTimeOffset time) =>
        DateTimeOffset.TryParseExact(text, Read, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out time);
}
