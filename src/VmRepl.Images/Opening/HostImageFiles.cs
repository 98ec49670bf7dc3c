using VmRepl.Blocks.Files;

namespace VmRepl.Images.Opening;

/// <summary>Image files of the host.</summary>
public sealed class HostImageFiles : IImageFiles
{
    public static HostImageFiles Instance { get; } = new();

    public IHostFile Open(string path, HostFileAccess access)
    {
        // Looked at before opening: opening a FIFO would wait, opening a tape would move it.
        if (access != HostFileAccess.CreateNew && ((IImageFiles)this).IsIrregular(path))
            throw new IOException($"{path}: is not a regular file");
        return HostFile.Open(path, access);
    }

    public IHostFile? OpenDevice(string path) => HostFileType.IsBlockDevice(path) ? HostFile.Open(path, HostFileAccess.Read) : null;
}
