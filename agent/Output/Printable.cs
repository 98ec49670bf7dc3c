using System.Globalization;
using System.Text;

namespace VmRepl.Agent.Output;

/// <summary>
/// Text that is safe on a terminal. Names inside images, stores and peers' messages are hostile: a control character among them could
/// move the cursor, rewrite what was printed or make the terminal answer.
/// </summary>
internal static class Printable
{
    /// <summary>The text with every control or formatting character written as an escape, "\x1b" or "\u202e"; line ends and tabs too.</summary>
    public static string Line(string text) => Escape(text, keepLines: false);

    /// <summary>As <see cref="Line"/>, but with line ends kept.</summary>
    public static string Lines(string text) => Escape(text, keepLines: true);

    private static string Escape(string text, bool keepLines)
    {
        var harmless = true;
        foreach (var c in text) harmless &= IsHarmless(c, keepLines);
        if (harmless) return text;
        var safe = new StringBuilder(text.Length + 16);
        foreach (var c in text)
        {
            if (IsHarmless(c, keepLines)) safe.Append(c);
            else safe.Append(CultureInfo.InvariantCulture, $"{(c < 256 ? $"\\x{(int)c:x2}" : $"\\u{(int)c:x4}")}");
        }

        return safe.ToString();
    }

    private static bool IsHarmless(char c, bool keepLines)
    {
        if (c is >= ' ' and < '\x7f') return true;
        if (c == '\n') return keepLines;
        // Format characters turn the direction of writing round; line and paragraph separators are line ends to some terminals.
        return char.GetUnicodeCategory(c) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
    }
}
