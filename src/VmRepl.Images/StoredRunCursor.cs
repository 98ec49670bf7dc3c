using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images;

/// <summary>
/// Cuts stored runs at the holes of the host file, as <see cref="StoredRuns"/> does, many of them in one pass: where the file is only read, the run of it that was asked for last is remembered, since a file can have millions of
/// blocks in one hole. For one pass over one map. Not safe for concurrent use.
/// </summary>
/// <param name="file">Where the runs stand; not owned.</param>
internal sealed class StoredRunCursor(IHostFile file)
{
    /// <summary>How far before a place is looked where the pass goes backwards in the file.</summary>
    private const long LookBackBytesMax = 1L << 30, LookBackBytesMin = 1 << 20;

    private long lookBack = LookBackBytesMax;
    private FileRun known;

    /// <param name="stored">A run of data with its place in the file.</param>
    /// <param name="hole">What a hole of the file is in the disk's map.</param>
    public IEnumerable<MapExtent> Map(MapExtent stored, BlockState hole = BlockState.Zero)
    {
        for (var at = stored.Offset; at < stored.End;)
        {
            var part = First(stored with { Offset = at, Length = stored.End - at, FileOffset = stored.FileOffset + (at - stored.Offset) }, hole);
            yield return part;
            at = part.End;
        }
    }

    /// <summary>The first of the runs: all of <paramref name="stored"/> where no border lies in it.</summary>
    public MapExtent First(MapExtent stored, BlockState hole = BlockState.Zero)
    {
        var place = stored.FileOffset;
        if (!file.IsReadOnly) known = default;
        if (place < known.Offset || place >= known.End) known = Find(place);
        // Behind the file's end everything is data, so that reading it says so.
        if (known.Length == 0) return stored;
        var length = Math.Min(stored.Length, known.End - place);
        return known.IsHole ? new MapExtent(stored.Offset, length, hole) : stored with { Length = length };
    }

    private FileRun Find(long place)
    {
        if (place < known.Offset)
        {
            var from = Math.Max(0, place - lookBack);
            var before = file.Map(from, long.MaxValue - from).FirstOrDefault();
            var isFound = before.End > place;
            // Less far where that was beyond the run's start, which may be near.
            lookBack = isFound ? Math.Min(lookBack * 2, LookBackBytesMax) : Math.Max(lookBack / 4, LookBackBytesMin);
            if (isFound) return before;
        }

        return file.Map(place, long.MaxValue - place).FirstOrDefault();
    }
}
