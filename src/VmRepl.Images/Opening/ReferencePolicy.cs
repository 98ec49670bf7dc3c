namespace VmRepl.Images.Opening;

/// <summary>
/// Which files an image may name: regular files inside directories that the operator named, by plain paths, through no symbolic link, no URL and no "json:" name.
/// The directory of the image given by the operator counts as named.
/// </summary>
public sealed class ReferencePolicy
{
    private const int LinksMax = 40;

    private readonly IImageFiles files;
    private readonly string[] directories;

    /// <param name="allowed">Directories named by the operator.</param>
    /// <param name="files">Where the names have their meaning; null for the host.</param>
    public ReferencePolicy(IEnumerable<string> allowed, IImageFiles? files = null)
    {
        this.files = files ?? HostImageFiles.Instance;
        directories = [.. allowed.Select(Canonical).Distinct(StringComparer.Ordinal)];
    }

    /// <summary>The policy for an image at <paramref name="imagePath"/>: its own directory, and <paramref name="allowed"/>.</summary>
    public static ReferencePolicy For(string imagePath, IEnumerable<string>? allowed = null, IImageFiles? files = null) =>
        new([Path.GetDirectoryName(Path.GetFullPath(imagePath))!, .. allowed ?? []], files);

    /// <summary>The host's directory with every symbolic link on the way resolved; as it is named where it does not exist.</summary>
    /// <exception cref="IOException">The links go in a circle.</exception>
    public static string ResolveDirectory(string directory) => new ReferencePolicy([]).Canonical(directory);

    /// <summary>The full path of what <paramref name="reference"/>, found in the file <paramref name="from"/>, means.</summary>
    /// <exception cref="ReferenceRefusedException">The policy forbids it.</exception>
    public string Resolve(string from, string reference)
    {
        if (reference.Length == 0 || reference.Contains('\0', StringComparison.Ordinal)) throw Refused("it is empty or holds a NUL");
        var colon = reference.IndexOf(':', StringComparison.Ordinal);
        var slash = reference.IndexOf('/', StringComparison.Ordinal);
        if (colon >= 0 && (slash < 0 || colon < slash)) throw Refused("it is a URL, a drive or a \"json:\" name");
        if (reference.StartsWith(@"\\", StringComparison.Ordinal)) throw Refused("it is a network path");
        var full = Path.GetFullPath(reference, Path.GetDirectoryName(Path.GetFullPath(from))!);
        string home;
        try
        {
            home = Canonical(Path.GetDirectoryName(full) ?? "/");
        }
        catch (IOException e)
        {
            throw Refused($"its directory cannot be resolved: {e.Message}");
        }

        if (!directories.Any(d => home == d || home.StartsWith(d.TrimEnd('/') + "/", StringComparison.Ordinal)))
            throw Refused("its target lies outside the directories named on the command line (name it with --allow)");
        var target = Path.Combine(home, Path.GetFileName(full));
        if (files.FindLinkTarget(target) is not null) throw Refused("it is a symbolic link");
        if (files.IsIrregular(target)) throw Refused("it is not a regular file");
        return target;

        ReferenceRefusedException Refused(string reason) => new(from, reference, reason);
    }

    /// <summary>
    /// The directory with every symbolic link on the way resolved, so that a link cannot lead out of a named directory. What a link leads to can be below another link, so resolving
    /// starts anew after each. A directory that does not exist stays as it is named; opening a file there says so.
    /// </summary>
    /// <exception cref="IOException">The links go in a circle.</exception>
    private string Canonical(string directory)
    {
        var rest = new Stack<string>();
        var at = Restart(Path.GetFullPath(directory), rest);
        for (var links = 0; rest.TryPop(out var part);)
        {
            var next = Path.Combine(at, part);
            if (files.FindLinkTarget(next) is not { } target)
            {
                at = next;
                continue;
            }

            if (++links > LinksMax) throw new IOException($"{directory}: passes more than {LinksMax} symbolic links");
            at = Restart(Path.GetFullPath(target, at), rest);
        }

        return at.Length > 1 ? at.TrimEnd(Path.DirectorySeparatorChar) : at;
    }

    /// <summary>Puts the parts of a full path before those that are still to go; gives the root.</summary>
    private static string Restart(string full, Stack<string> rest)
    {
        var root = Path.GetPathRoot(full)!;
        foreach (var part in full[root.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries).Reverse()) rest.Push(part);
        return root;
    }
}
