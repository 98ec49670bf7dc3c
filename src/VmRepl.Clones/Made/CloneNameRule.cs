using System.Globalization;
using System.Text;

namespace VmRepl.Clones.Made;

/// <summary>What a made clone may be called: any printable text of 1 to 255 bytes in UTF-8. It is shown and compared, and never used as a path.</summary>
public static class CloneNameRule
{
    public const int BytesMax = 255;

    /// <summary>The rule, as the end of a sentence.</summary>
    public const string Text = "printable characters, 1 to 255 bytes of them in UTF-8, no space at either end";

    public static bool IsValid(string? name) =>
        !string.IsNullOrWhiteSpace(name) && name.Trim() == name && Encoding.UTF8.GetByteCount(name) <= BytesMax && name.EnumerateRunes().All(IsPrintable);

    // Half of a surrogate pair is enumerated as the replacement character, which nobody types.
    private static bool IsPrintable(Rune rune) => rune != Rune.ReplacementChar
        && Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
}
