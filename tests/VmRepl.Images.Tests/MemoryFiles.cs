using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Tests;

/// <summary>Gives out one file, whatever is asked for.</summary>
internal sealed class MemoryFiles(IHostFile file) : IImageFiles
{
    public IHostFile Open(string path, HostFileAccess access) => file;

    /// <summary>Opens the image that <paramref name="file"/> holds.</summary>
    public static IDiskImage Open(IHostFile file, bool isWritable = false, ImageFormat format = ImageFormat.Qcow2) =>
        DiskImages.Open(file.Path, new ImageOpenOptions { Format = format, Writable = isWritable, Files = new MemoryFiles(file) });
}
