namespace VmRepl.Clones.Drops;

/// <summary>Texts out of a drop directory, for logs, lists and terminals: names of files, and what a reader says of a file, which may quote it.</summary>
internal static class ShownText
{
    private const int CharactersMax = 400;

    /// <summary>Nothing that steers a terminal is left in it, and it ends where it is too long.</summary>
    public static string Of(string text)
    {
        var shown = string.Concat(text.EnumerateRunes().Take(CharactersMax + 1).Select(r => System.Text.Rune.IsControl(r) ? "\ufffd" : r.ToString()));
        return text.Length <= CharactersMax || shown.EnumerateRunes().Count() <= CharactersMax ? shown : string.Concat(shown.EnumerateRunes().Take(CharactersMax)) + "...";
    }
}
