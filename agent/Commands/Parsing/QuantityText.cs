using System.Globalization;

namespace VmRepl.Agent.Commands.Parsing;

/// <summary>Reads sizes and spans of time as people write them.</summary>
public static class QuantityText
{
    private static readonly string[] Prefixes = ["", "K", "M", "G", "T", "P"];

    private static readonly (string Unit, TimeSpan Span)[] Spans =
        [("s", TimeSpan.FromSeconds(1)), ("min", TimeSpan.FromMinutes(1)), ("h", TimeSpan.FromHours(1)), ("d", TimeSpan.FromDays(1)), ("w", TimeSpan.FromDays(7))];

    /// <summary>"4096", "512M", "20GiB": bytes in powers of 1024, with or without "iB".</summary>
    public static bool TrySize(string text, out long bytes)
    {
        bytes = 0;
        var (number, unit) = Split(text);
        if (unit.EndsWith("iB", StringComparison.Ordinal) && unit.Length > 2) unit = unit[..^2];
        else if (unit == "B") unit = "";
        var power = Array.IndexOf(Prefixes, unit);
        if (power < 0 || !long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var count) || count > long.MaxValue >> (10 * power)) return false;
        bytes = count << (10 * power);
        return true;
    }

    /// <summary>"90s", "30min", "12h", "14d", "2w".</summary>
    public static bool TrySpan(string text, out TimeSpan span)
    {
        span = default;
        var (number, unit) = Split(text);
        var found = Array.Find(Spans, s => s.Unit == unit);
        if (found.Unit is null || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var count) || count > TimeSpan.MaxValue / found.Span) return false;
        span = count * found.Span;
        return true;
    }

    private static (string Number, string Unit) Split(string text)
    {
        var digits = text.AsSpan().IndexOfAnyExceptInRange('0', '9');
        return digits < 0 ? (text, "") : (text[..digits], text[digits..]);
    }
}
