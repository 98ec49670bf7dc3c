using VmRepl.Blocks;
using VmRepl.Journal.Index;

namespace VmRepl.Journal.Views;

/// <summary>Where the contents of a chunk of a disk at a view's point come from. True while neither a record touches the chunk's region nor a segment is retired.</summary>
internal sealed class ResolvedChunk
{
    // Two arrays' heads and the object; a part; a reference.
    private const int Overhead = 112;
    private const int PartBytes = 24;
    private const int ReferenceBytes = 64;

    private readonly long offset;
    private readonly ResolvedPart[] parts;
    private readonly RecordRef[] references;

    /// <param name="chunk">First byte on the disk is this times <see cref="ResolvedChunks.ChunkBytes"/>.</param>
    /// <param name="stamp">Newest sequence that had touched the region by then.</param>
    /// <param name="retirements">Number of retirements by then.</param>
    /// <param name="sources">In order, covering the chunk, each with its segment, which is not held.</param>
    public ResolvedChunk(long chunk, ulong stamp, long retirements, List<ContentSource> sources)
    {
        Chunk = chunk;
        Stamp = stamp;
        Retirements = retirements;
        offset = chunk * ResolvedChunks.ChunkBytes;
        var kept = new List<RecordRef>();
        parts = new ResolvedPart[sources.Count];
        for (var i = 0; i < parts.Length; i++) parts[i] = new ResolvedPart(sources[i], offset, kept);
        references = [.. kept];
    }

    public long Chunk { get; }

    public ulong Stamp { get; }

    public long Retirements { get; }

    public long Bytes => Overhead + (parts.Length * PartBytes) + (references.Length * ReferenceBytes);

    /// <summary>Reads a range of the disk that lies within the chunk. False where what is there does not verify.</summary>
    public bool TryRead(Extent range, Span<byte> buffer, IBlockDevice live)
    {
        for (var i = FirstBehind((int)(range.Offset - offset)); i < parts.Length; i++)
        {
            ref readonly var part = ref parts[i];
            var shared = Extent.FromEnds(offset + part.Start, offset + part.End).Intersect(range);
            if (shared.IsEmpty) break;
            if (!part.TryRead(shared, offset, buffer.Slice((int)(shared.Offset - range.Offset), (int)shared.Length), live, references)) return false;
        }

        return true;
    }

    /// <summary>Number of the first part that reaches behind a byte of the chunk.</summary>
    private int FirstBehind(int at)
    {
        // Parts are mostly of one size: the guess is one look instead of four.
        var guess = (int)((long)at * parts.Length / ResolvedChunks.ChunkBytes);
        if (parts[guess].Start <= at && at < parts[guess].End) return guess;
        int low = 0, high = parts.Length;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (parts[middle].End <= at) low = middle + 1;
            else high = middle;
        }

        return low;
    }
}
