using System.Globalization;
using VmRepl.Journal.Segments;

namespace VmRepl.Journal.Index.Files;

/// <summary>The name of an index file says what it covers: <c>index-SERIAL-COMMIT-SERIAL-COMMIT.vri</c>, first inclusive and end exclusive, each at least ten decimal digits.</summary>
internal static class IndexFileName
{
    public const string Prefix = "index-";
    public const string Suffix = ".vri";

    private const int Parts = 4;
    private const int DigitsMin = 10;

    public static string Of(CommitPlace first, CommitPlace end) =>
        string.Create(CultureInfo.InvariantCulture, $"{Prefix}{first.Serial:D10}-{first.Commit:D10}-{end.Serial:D10}-{end.Commit:D10}{Suffix}");

    /// <summary>The name that the file has until it is whole.</summary>
    public static string SpareOf(CommitPlace first, CommitPlace end) => SegmentLayout.SparePrefix + Of(first, end);

    /// <summary>Whether this is an index file that was not finished. It is no spare segment.</summary>
    public static bool IsSpare(string name) => name.StartsWith(SegmentLayout.SparePrefix + Prefix, StringComparison.Ordinal) && name.EndsWith(Suffix, StringComparison.Ordinal);

    public static bool TryParse(string name, out CommitPlace first, out CommitPlace end)
    {
        (first, end) = (default, default);
        if (!name.StartsWith(Prefix, StringComparison.Ordinal) || !name.EndsWith(Suffix, StringComparison.Ordinal) || name.Length < Prefix.Length + Suffix.Length) return false;
        var parts = name[Prefix.Length..^Suffix.Length].Split('-');
        if (parts.Length != Parts || parts.Any(p => p.Length < DigitsMin)) return false;
        if (!Serial(parts[0], out var firstSerial) || !Commit(parts[1], out var firstCommit) || !Serial(parts[2], out var endSerial) || !Commit(parts[3], out var endCommit)) return false;
        (first, end) = (new CommitPlace(firstSerial, firstCommit), new CommitPlace(endSerial, endCommit));
        // One name for one interval: another spelling of the same numbers is not a name that was given.
        return first < end && name == Of(first, end);
    }

    private static bool Serial(string text, out ulong serial) => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out serial);

    private static bool Commit(string text, out uint commit) => uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out commit);
}
