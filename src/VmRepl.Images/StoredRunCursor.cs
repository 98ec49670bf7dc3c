using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images;

/// <summary>
/// Cuts stored runs at the holes of the host file, as <see cref="StoredRuns"/> does, many of them in one pass: the run of the file that was asked for last is remembered, since a file can have millions of blocks in one hole.
/// For one pass over one map of a file that nobody writes meanwhile. Not safe for concurrent use.
/// </summary>
/// <param name="file">Where the runs stand; not owned.</param>
internal sealed class StoredRunCursor(IHostFile file)
{
    private FileRun known;

    /// <param name="stored">A run of data with its place in the file.</param>
    /// <param name="hole">What a hole of the file is in the disk's map.</param>
    public IEnumerable<MapExtent> Map(MapExtent stored, BlockState hole = BlockState.Zero)
    {
        for (var at = stored.Offset; at < stored.End;)
        {
            var place = stored.FileOffset + (at - stored.Offset);
            if (place < known.Offset || place >= known.End) known = file.Map(place, long.MaxValue - place).FirstOrDefault();
            // Behind the file's end.
            var isHole = known.Length > 0 && known.IsHole;
            var length = Math.Min(stored.End - at, known.Length > 0 ? known.End - place : long.MaxValue);
            yield return isHole ? new MapExtent(at, length, hole) : new MapExtent(at, length, BlockState.Data, 0, place);
            at += length;
        }
    }
}
