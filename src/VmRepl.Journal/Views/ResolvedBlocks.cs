using VmRepl.Blocks;
using VmRepl.Journal.Index.Files;

namespace VmRepl.Journal.Views;

/// <summary>
/// Where the contents of a disk at a view's point come from, for the chunks of which each block of 4096 bytes lies whole in one place. A block stands where its offset says, in large pages, so that a random read waits for
/// memory once. Sheets of it are made where enough chunks are resolved; of a disk for which all sheets would take more than views may, there are none.
/// <para>Read without a lock. The reader takes the number of retirements and the region's stamp first, uses the blocks if both are theirs, and looks again when it has read: what it read counts if neither has moved.
/// That is enough also for one that reads while blocks are replaced. They are replaced by those of a newer stamp, and that was the region's before they were resolved; or by those of the same stamp, which are the same;
/// or after a retirement, which was counted before.</para>
/// Changed under the lock of its owner, which counts the memory.
/// </summary>
internal sealed class ResolvedBlocks : IDisposable
{
    public const int BlockBytes = 4096;
    public const int BlocksPerChunk = ResolvedChunks.ChunkBytes / BlockBytes;

    /// <summary>Words that say where a chunk's blocks lie.</summary>
    public const int ChunkWords = BlocksPerChunk * ResolvedPart.Words;

    /// <summary>Chunks of a sheet, but for the last: with their stamps they fill a large page.</summary>
    public const int SheetChunks = 10 << 10;

    // Before this part of a sheet's chunks is resolved, they take less memory one by one.
    private const int DenseShare = 8;

    private readonly IndexPageCache memory;
    private readonly long chunkCount;
    private readonly ResolvedSheet?[] sheets;
    private readonly int[] others;

    // What the stamps hold for.
    private long retirements;

    /// <param name="memory">Where the sheets are counted.</param>
    /// <param name="bytesMax">Most bytes of all sheets.</param>
    public ResolvedBlocks(IndexPageCache memory, long diskBytes, long bytesMax)
    {
        this.memory = memory;
        chunkCount = (diskBytes + ResolvedChunks.ChunkBytes - 1) / ResolvedChunks.ChunkBytes;
        var count = (chunkCount + SheetChunks - 1) / SheetChunks;
        var bytes = ((count - 1) * ResolvedSheet.BytesOf(SheetChunks)) + ResolvedSheet.BytesOf(ChunksOf(count - 1));
        sheets = count > 0 && bytes <= bytesMax ? new ResolvedSheet?[count] : [];
        others = new int[sheets.Length];
    }

    /// <summary>Bytes of the sheets made.</summary>
    public long Bytes { get; private set; }

    /// <summary>The words of a chunk's blocks, where they hold for a stamp of its region and a number of retirements. Whoever uses them keeps this alive.</summary>
    public bool TryFind(long chunk, ulong stamp, long retirementsNow, out ReadOnlySpan<uint> words)
    {
        var sheet = chunk / SheetChunks;
        if (sheet < sheets.Length && Volatile.Read(ref sheets[sheet]) is { } found && Volatile.Read(ref retirements) == retirementsNow && stamp != 0
            && found.TryFind((int)(chunk - (sheet * SheetChunks)), stamp, out var blocks))
        {
            words = blocks;
            return true;
        }

        words = default;
        return false;
    }

    /// <summary>Reads a range of the disk that lies within the chunk. False where what is there does not verify.</summary>
    /// <param name="words">The words of the chunk's blocks.</param>
    public static bool TryRead(ReadOnlySpan<uint> words, Extent range, Span<byte> buffer, IBlockDevice live, ResolvedSegments segments)
    {
        for (long at = range.Offset, to; at < range.End; at = to)
        {
            var block = ResolvedPart.Read(words[(BlockOf(at) * ResolvedPart.Words)..]);
            to = Math.Min(Sectors.AlignDown(at, BlockBytes) + BlockBytes, range.End);
            while (block.Kind == ResolvedPartKind.Live && to < range.End && ResolvedPart.Read(words[(BlockOf(to) * ResolvedPart.Words)..]).Kind == ResolvedPartKind.Live) to = Math.Min(to + BlockBytes, range.End);
            var target = buffer.Slice((int)(at - range.Offset), (int)(to - at));
            switch (block.Kind)
            {
                case ResolvedPartKind.Live:
                    live.Read(at, target);
                    break;
                case ResolvedPartKind.Zeros:
                    target.Clear();
                    break;
                default:
                    // No payload lies where a segment begins: memory that was just given back.
                    if (block.Place == 0 || !segments[block.Segment].TryReadSmall(block.Place, BlockBytes, block.Checksum, (int)(at & (BlockBytes - 1)), target)) return false;
                    break;
            }
        }

        return true;
    }

    /// <summary>Keeps a chunk where there is a sheet for it.</summary>
    /// <param name="words">Of its blocks (<see cref="ResolvedChunk.TryGetBlocks"/>).</param>
    public bool TryKeep(ResolvedChunk chunk, ReadOnlySpan<uint> words)
    {
        var (sheet, within) = (chunk.Chunk / SheetChunks, (int)(chunk.Chunk % SheetChunks));
        if (sheet >= sheets.Length || sheets[sheet] is not { } into) return false;
        if (chunk.Retirements > retirements)
        {
            foreach (var stale in sheets) stale?.Forget();
            Volatile.Write(ref retirements, chunk.Retirements);
        }

        // One that somebody resolved before and was slow with is of no use.
        if (chunk.Retirements == retirements && chunk.Stamp >= into.StampOf(within)) into.Set(within, words, chunk.Stamp);
        return true;
    }

    /// <summary>Counts a chunk that is kept elsewhere. Whether a sheet was made for it and its neighbours.</summary>
    /// <param name="bytesMax">Most bytes that may be taken for it.</param>
    public bool TryMakeSheet(long chunk, long bytesMax, out long firstChunk, out int chunks)
    {
        var sheet = chunk / SheetChunks;
        (firstChunk, chunks) = (sheet * SheetChunks, 0);
        if (sheet >= sheets.Length || sheets[sheet] is not null) return false;
        chunks = ChunksOf(sheet);
        var bytes = ResolvedSheet.BytesOf(chunks);
        if (++others[sheet] < chunks / DenseShare || bytes > bytesMax || ResolvedSheet.TryMake(chunks) is not { } made) return false;
        memory.Reserve(bytes);
        Bytes += bytes;
        Volatile.Write(ref sheets[sheet], made);
        return true;
    }

    /// <summary>Gives back the memory. Whoever reads just now finds that nothing is known.</summary>
    public void Dispose()
    {
        foreach (var sheet in sheets) sheet?.Dispose();
        memory.Release(Bytes);
        Bytes = 0;
    }

    private static int BlockOf(long offset) => (int)(offset / BlockBytes) & (BlocksPerChunk - 1);

    private int ChunksOf(long sheet) => (int)Math.Min(SheetChunks, chunkCount - (sheet * SheetChunks));
}
