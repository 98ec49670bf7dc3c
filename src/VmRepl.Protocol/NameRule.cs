using System.Buffers;

namespace VmRepl.Protocol;

/// <summary>
/// What groups, disks and bookmarks may be called: <c>[A-Za-z0-9][A-Za-z0-9._-]{0,63}</c>. Names become names of directories and files,
/// so this is checked wherever one is read: from a command line, a peer or a store.
/// </summary>
public static class NameRule
{
    public const int MaxLength = 64;

    /// <summary>The rule in words, for messages.</summary>
    public const string Text = "1 to 64 letters, digits, '.', '_' or '-' of ASCII, the first a letter or a digit";

    private static readonly SearchValues<char> Allowed = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    public static bool IsName(ReadOnlySpan<char> text) =>
        text.Length is >= 1 and <= MaxLength && char.IsAsciiLetterOrDigit(text[0]) && !text.ContainsAnyExcept(Allowed);

    /// <summary>A name that cannot be taken for another way of saying when: not <c>latest</c> and not all digits.</summary>
    public static bool IsBookmark(ReadOnlySpan<char> text) =>
        IsName(text) && text.ContainsAnyExceptInRange('0', '9') && !text.Equals("latest", StringComparison.OrdinalIgnoreCase);
}
