using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images;

/// <summary>What a file has of the runs that an image says it stores.</summary>
internal static class StoredRuns
{
    /// <summary>
    /// A stored run cut at the holes that the host file has in it: they read as zeros and need not be read. A run that passes the file's end is data, so that reading it says so.
    /// </summary>
    /// <param name="stored">A run of data with its place in the file.</param>
    /// <param name="hole">What a hole of the file is in the disk's map.</param>
    public static IEnumerable<MapExtent> MapStored(this IHostFile file, MapExtent stored, BlockState hole = BlockState.Zero) => new StoredRunCursor(file).Map(stored, hole);
}
