using VmRepl.Blocks.Files;
using VmRepl.Clones.Drops;
using VmRepl.Images.Opening;

namespace VmRepl.Clones.Matching;

/// <summary>
/// What is opened for a dropped image: the file that was looked at and no other version of it, files beside it, and files of protected disks. Its references were judged by their directories before; a directory with a protected disk in it may
/// hold other files, which are nobody's to read by dropping an image.
/// </summary>
/// <param name="dropped">The image.</param>
/// <param name="bases">The protected disks' files.</param>
public sealed class DropImageFiles(DroppedFile dropped, BaseFiles bases) : IImageFiles
{
    /// <exception cref="ReferenceRefusedException">It is none of those files.</exception>
    /// <exception cref="IOException">It cannot be opened, or is another version of the image.</exception>
    public IHostFile Open(string path, HostFileAccess access)
    {
        if (access != HostFileAccess.Read) throw new ReferenceRefusedException(dropped.Path, path, "nothing in a drop directory is written");
        var isImage = path == dropped.Path;
        var file = HostImageFiles.Instance.Open(path, access);
        try
        {
            // What was opened has to be what stands there: whoever may write the directory may put a link in a file's place between a look and the opening, and take it away again.
            if (Path.GetDirectoryName(path) == dropped.Directory && DirectoryListing.Look(path) is var now && (now.Kind != EntryKind.File || !now.Identity.IsSameFile(file.Identity)))
                throw new IOException($"{path}: something else took its place");
            if (isImage) return FileVersion.Of(file.Identity) == dropped.Version ? file : throw new IOException($"{path}: it has changed since it was looked at");
            return Path.GetDirectoryName(path) == dropped.Directory || bases.Holds(file) ? file : throw new ReferenceRefusedException(dropped.Path, path, "it is neither in the drop directory nor a file of a protected disk");
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
