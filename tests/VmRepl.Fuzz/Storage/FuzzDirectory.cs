using System.Text;
using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;

namespace VmRepl.Fuzz.Storage;

/// <summary>
/// A little file system in memory: the directory of a mutant with its files, and beside them what a reader must never be led to (a file outside, links to it, a pipe, a directory).
/// It notes whatever is opened that no image may make the process open, and leaves the verdict to nobody else: the reader's own policy is what is being tried.
/// </summary>
public sealed class FuzzDirectory : IImageFiles
{
    public const string Home = "/vmrepl-fuzz/home", Secret = "/vmrepl-fuzz/outside/secret.raw";

    /// <summary>Longest name of a file and of a path, as of Linux.</summary>
    private const int NameMax = 255, PathMax = 4095;

    /// <summary>Longest file, near to what ext4 and XFS have.</summary>
    private const long FileBytesMax = 1L << 53;

    private static readonly Dictionary<string, string> Links = new(StringComparer.Ordinal)
    {
        [$"{Home}/link.raw"] = "../outside/secret.raw",
        [$"{Home}/away"] = "../outside",
        [$"{Home}/loop"] = "loop",
    };

    private static readonly PagedBytes SecretBytes = new(new byte[1 << 20]);

    private readonly Dictionary<string, PagedBytes> files = new(StringComparer.Ordinal);
    private readonly List<string> violations = [];

    /// <summary>Called before every access to a file.</summary>
    public Action Accessed { get; init; } = () => { };

    /// <summary>Whether the volume frees space.</summary>
    public bool MakesHoles { get; init; } = true;

    /// <summary>Pages of one file that may be changed; then the disk is full.</summary>
    public int PagesMax { get; init; } = 1024;

    /// <summary>Whether a write was refused for want of space.</summary>
    public bool WasFull { get; private set; }

    /// <summary>What was asked for and must not be, in words.</summary>
    public IReadOnlyList<string> Violations => violations;

    /// <summary>Bytes of memory that the files themselves take.</summary>
    public long HeldBytes => files.Values.Sum(f => (long)f.ChangedPages * PagedBytes.PageBytes);

    public static string PathOf(string name) => $"{Home}/{name}";

    public void Add(string name, PagedBytes bytes) => files[PathOf(name)] = bytes;

    public PagedBytes Contents(string name) => files[PathOf(name)];

    /// <summary>A directory with the same files, which change by themselves.</summary>
    public FuzzDirectory Fork(Action accessed, bool makesHoles)
    {
        var fork = new FuzzDirectory { Accessed = accessed, MakesHoles = makesHoles };
        foreach (var (path, bytes) in files) fork.files[path] = bytes.Fork();
        return fork;
    }

    public IHostFile Open(string path, HostFileAccess access)
    {
        Accessed();
        if (!IsAllowed(path) || access == HostFileAccess.CreateNew)
        {
            violations.Add($"\"{path}\" was opened ({access})");
            return new FuzzFile(path, 0, SecretBytes.Fork(), this, isReadOnly: access == HostFileAccess.Read);
        }

        if (path.Length > PathMax || path.Split('/').Any(p => Encoding.UTF8.GetByteCount(p) > NameMax)) throw new PathTooLongException(path);
        if (path.IndexOf('/', Home.Length + 1) > 0) throw new DirectoryNotFoundException(path);
        return files.TryGetValue(path, out var bytes)
            ? new FuzzFile(path, (ulong)(files.Keys.TakeWhile(k => k != path).Count() + 1), bytes, this, access == HostFileAccess.Read)
            : throw new FileNotFoundException(path);
    }

    public string? FindLinkTarget(string path) => Links.GetValueOrDefault(path);

    public bool IsIrregular(string path) => path is $"{Home}/pipe" or $"{Home}/sub" or Home || path.StartsWith("/dev/", StringComparison.Ordinal);

    /// <summary>Refuses a write that the volume has no room for.</summary>
    internal void RequireSpace(PagedBytes bytes, long offset, int length)
    {
        if (bytes.ChangedPages + ((length + PagedBytes.PageBytes - 1) / PagedBytes.PageBytes) <= PagesMax && offset >= 0 && offset <= FileBytesMax - length) return;
        WasFull = true;
        throw new IOException("no space left on device");
    }

    /// <summary>A plain name below the directory, through no link, of nothing but a regular file. Written anew here, so that an error of the policy is not repeated.</summary>
    private bool IsAllowed(string path)
    {
        var parts = path.Split('/');
        return path.StartsWith(Home + "/", StringComparison.Ordinal) && !parts.Skip(1).Any(p => p is "" or "." or "..") && !path.Contains('\0', StringComparison.Ordinal)
            && !Enumerable.Range(2, parts.Length - 1).Any(n => Links.ContainsKey(string.Join('/', parts.Take(n)))) && !IsIrregular(path);
    }
}
