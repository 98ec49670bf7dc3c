using System.Diagnostics.CodeAnalysis;

namespace VmRepl.Protocol.Names;

/// <summary>
/// What names of groups, disks and bookmarks look like: <c>[A-Za-z0-9][A-Za-z0-9._-]{0,63}</c>, in ASCII.
/// Such a name is one harmless path component on every system, which is why the same rule holds for names read from a store or sent by a peer.
/// </summary>
public static class NameRule
{
    /// <summary>Most characters of a name.</summary>
    public const int LengthMax = 64;

    /// <summary>The rule, as the end of a sentence.</summary>
    public const string Text = "letters, digits, '.', '_' and '-', 1 to 64 of them, the first a letter or a digit";

    /// <summary>The rule for bookmarks, as the end of a sentence.</summary>
    public const string BookmarkText = Text + "; not \"latest\", and not digits only";

    /// <summary>Whether <paramref name="name"/> may name a group or a disk.</summary>
    public static bool IsValid([NotNullWhen(true)] string? name)
    {
        if (name is null || name.Length is 0 or > LengthMax || !char.IsAsciiLetterOrDigit(name[0])) return false;
        foreach (var c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('.' or '_' or '-')) return false;
        }

        return true;
    }

    /// <summary>Whether <paramref name="name"/> may name a bookmark: as <see cref="IsValid"/>, and never to be taken for "latest" or for a sequence.</summary>
    public static bool IsValidBookmark([NotNullWhen(true)] string? name) =>
        IsValid(name) && !name.Equals("latest", StringComparison.OrdinalIgnoreCase) && name.AsSpan().ContainsAnyExceptInRange('0', '9');
}
