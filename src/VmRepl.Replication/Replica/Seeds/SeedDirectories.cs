using VmRepl.Images;
using VmRepl.Images.Opening;
using VmRepl.Protocol.Messages;
using VmRepl.Replication.Source;

namespace VmRepl.Replication.Replica.Seeds;

/// <summary>
/// Directories whose images a source may name as seeds. The name comes from a peer and the contents from anywhere: a name leads to a regular file below one of the directories, through no link of its own and with the links
/// on its way resolved, or is refused; an image's own references lead into these directories as well, and nowhere else. Seeds are opened for reading only.
/// </summary>
/// <param name="directories">Full paths. None: every seed is refused.</param>
public sealed class SeedDirectories(IReadOnlyList<string> directories)
{
    private const string Setting = "Replica:SeedDirectories";

    /// <summary>Opens a seed with its chain.</summary>
    /// <exception cref="SeedRefusedException">It lies elsewhere, is in use, or cannot be read as an image.</exception>
    public IDiskImage Open(DeclaredSeed seed)
    {
        if (directories.Count == 0) throw new SeedRefusedException("this replica takes no seeds", $"Name the directories that seeds may lie in at the replica: {Setting}, or --seeds.");
        ImageFormat? format = null;
        if (seed.Format.Length > 0) format = ImageFormatNames.TryParse(seed.Format, out var given) ? given : throw new SeedRefusedException($"\"{seed.Format}\" is no format of an image", "raw, qcow2, vhdx, vmdk and vhd are.");
        IDiskImage image;
        try
        {
            image = DiskImages.Open(Resolve(seed.File), new ImageOpenOptions { Format = format, Allow = directories });
        }
        catch (ReferenceRefusedException e)
        {
            throw new SeedRefusedException(e.Message, $"The files behind a seed lie in the directories of {Setting}, too.", e);
        }
        catch (Exception e) when (e is ImageFormatException or IOException or UnauthorizedAccessException)
        {
            throw new SeedRefusedException($"it cannot be read: {e.Message}", "Look at the file at the replica, or protect the group without it.", e);
        }

        if (image.Files.FirstOrDefault(FrozenDisk.IsOpenForWriting) is not { } open) return image;
        image.Dispose();
        throw new SeedRefusedException($"it is in use: {open.Path} is open for writing in another process", "Take a copy that nobody writes.");
    }

    /// <summary>The full path of the file; one that is not full is looked for below each directory in turn.</summary>
    private string Resolve(string file)
    {
        var policy = new ReferencePolicy(directories);
        ReferenceRefusedException? refused = null;
        string? found = null;
        foreach (var directory in directories)
        {
            try
            {
                var target = policy.Resolve(Path.Combine(directory, "seed"), file);
                if (File.Exists(target)) return target;
                found ??= target;
            }
            catch (ReferenceRefusedException e)
            {
                refused ??= e;
            }
        }

        if (found is not null) return found;
        throw new SeedRefusedException($"it does not lie in one of the directories that this replica takes seeds from ({Setting}), or is no regular file", "A seed is a regular file, no link, below one of those directories.", refused);
    }
}
