using VmRepl.Blocks;

namespace VmRepl.Images;

/// <summary>Requests to an image, before anything is done for them.</summary>
internal static class DiskRange
{
    /// <exception cref="ArgumentOutOfRangeException">The range does not lie in the disk.</exception>
    public static void RequireInside(this IBlockDevice disk, string path, long offset, long length)
    {
        if (offset < 0 || length < 0 || offset > disk.Length || length > disk.Length - offset)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"{path}: {length} bytes at {offset} are outside the disk of {disk.Length}");
    }
}
