namespace VmRepl.Protocol.Names;

/// <summary>How a point that a replica's store has is named as a seed, in place of a file: <c>group:GROUP/DISK</c> is the disk as of its group's newest point, <c>group:GROUP/DISK@POINT</c> as of another one.</summary>
public static class PointSeedName
{
    /// <summary>What stands in place of an image's format where such a seed was used.</summary>
    public const string Format = "point";

    private const string Prefix = "group:";

    /// <param name="at">"latest" where it is left out, a bookmark, a sequence or a time.</param>
    public static string Of(string group, string disk, string? at = null) => $"{Prefix}{group}/{disk}{(at is null ? "" : "@")}{at}";

    /// <summary>Whether a seed is meant as one. It may be none all the same.</summary>
    public static bool Means(string seed) => seed.StartsWith(Prefix, StringComparison.Ordinal);

    /// <summary>Takes apart a seed that is meant as one.</summary>
    /// <param name="at">Null for the newest point.</param>
    public static bool TryParse(string seed, out string group, out string disk, out string? at)
    {
        var rest = Means(seed) ? seed[Prefix.Length..] : "";
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        (group, disk) = slash < 0 ? (rest, "") : (rest[..slash], rest[(slash + 1)..]);
        var sign = disk.IndexOf('@', StringComparison.Ordinal);
        at = sign < 0 ? null : disk[(sign + 1)..];
        if (sign >= 0) disk = disk[..sign];
        return NameRule.IsValid(group) && NameRule.IsValid(disk) && at is not "";
    }
}
