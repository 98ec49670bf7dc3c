using VmRepl.Blocks.Files;

namespace VmRepl.Images.Opening;

/// <summary>What a format's reader is given to open other files with. One chain shares one context, which sees cycles and depth.</summary>
public sealed class ImageContext
{
    /// <summary>Most files one chain may have behind each other.</summary>
    public const int DepthMax = 64;

    /// <summary>Most files one image may consist of, extents included.</summary>
    public const int FilesMax = 512;

    private readonly IImageFiles files;
    private readonly ReferencePolicy policy;
    private readonly List<FileIdentity> seen;

    internal ImageContext(IImageFiles files, ReferencePolicy policy, bool writable)
        : this(files, policy, writable, 0, [], new TableMemory())
    {
    }

    private ImageContext(IImageFiles files, ReferencePolicy policy, bool writable, int depth, List<FileIdentity> seen, TableMemory tables)
    {
        Tables = tables;
        this.files = files;
        this.policy = policy;
        this.seen = seen;
        Writable = writable;
        Depth = depth;
    }

    /// <summary>Whether this member may be written; members behind it never are.</summary>
    public bool Writable { get; }

    /// <summary>The internal snapshot to open; only ever of the image given.</summary>
    public string? Snapshot { get; init; }

    /// <summary>0 for the image given, 1 for its parent, and so on.</summary>
    public int Depth { get; }

    /// <summary>What all members of the chain keep of their tables.</summary>
    internal TableMemory Tables { get; }

    /// <summary>Opens a file that the image <paramref name="from"/> names as part of itself: an extent, a data file.</summary>
    /// <exception cref="ReferenceRefusedException">The policy forbids it.</exception>
    /// <exception cref="ImageFormatException">It is missing, has a name that no file can have, or is already part of the chain.</exception>
    public IHostFile OpenPart(IHostFile from, string reference) => OpenPart(from.Path, reference);

    /// <summary>Opens the parent that the image <paramref name="from"/> names, read-only, in the <paramref name="format"/> that the image gives.</summary>
    /// <exception cref="ReferenceRefusedException">The policy forbids it.</exception>
    /// <exception cref="ImageFormatException">It is missing, part of the chain already, or the chain is deeper than <see cref="DepthMax"/>.</exception>
    public IDiskImage OpenParent(IHostFile from, string reference, ImageFormat format) => OpenParent(from.Path, reference, format);

    internal IDiskImage OpenParent(string from, string reference, ImageFormat format)
    {
        if (Depth + 1 >= DepthMax) throw ImageFormatException.Mismatch(from, -1, "chain", $"at most {DepthMax} files deep", "deeper");
        var behind = new ImageContext(files, policy, writable: false, Depth + 1, seen, Tables);
        var file = behind.OpenPart(from, reference);
        return DiskImages.OpenFile(file, format, behind);
    }

    internal void Enter(IHostFile file, string from)
    {
        var identity = file.Identity;
        if (seen.Any(s => s.IsSameFile(identity))) throw ImageFormatException.Mismatch(from, -1, "reference", "to a file that is not part of this image yet", $"to {file.Path}, which is already part of it");
        if (seen.Count >= FilesMax) throw ImageFormatException.Mismatch(from, -1, "reference", $"one of at most {FilesMax} files of an image", "one more");
        seen.Add(identity);
    }

    private IHostFile OpenPart(string from, string reference)
    {
        var path = policy.Resolve(from, reference);
        IHostFile file;
        try
        {
            file = files.Open(path, Writable ? HostFileAccess.ReadWrite : HostFileAccess.Read);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw ImageFormatException.Mismatch(from, -1, "reference", "to a file", $"to \"{reference}\", which does not exist", e);
        }
        catch (PathTooLongException e)
        {
            throw ImageFormatException.Mismatch(from, -1, "reference", "a name that a file can have", $"one of {reference.Length} characters", e);
        }

        try
        {
            Enter(file, from);
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
