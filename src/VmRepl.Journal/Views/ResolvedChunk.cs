using VmRepl.Blocks;
using VmRepl.Journal.Index;

namespace VmRepl.Journal.Views;

/// <summary>Where the contents of a chunk of a disk at a view's point come from. True while neither a record touches the chunk's region nor a segment is retired.</summary>
/// <param name="Chunk">Number of the chunk.</param>
/// <param name="Stamp">Newest sequence that had touched the region by then.</param>
/// <param name="Retirements">Number of retirements by then.</param>
/// <param name="Sources">In order, covering the chunk; the segments are not held.</param>
internal sealed record ResolvedChunk(long Chunk, ulong Stamp, long Retirements, ContentSource[] Sources)
{
    // An object, an array, and for each source a range, a reference and a segment.
    private const int Overhead = 96;
    private const int SourceBytes = 120;

    public long Bytes => Overhead + (Sources.Length * SourceBytes);

    /// <summary>Number of the first source that reaches behind <paramref name="offset"/>.</summary>
    public int FirstBehind(long offset)
    {
        int low = 0, high = Sources.Length;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (Sources[middle].Range.End <= offset) low = middle + 1;
            else high = middle;
        }

        return low;
    }
}
