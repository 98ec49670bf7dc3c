using VmRepl.Blocks;
using VmRepl.Journal.Index.Files;

namespace VmRepl.Journal.Views;

/// <summary>
/// Where the contents of a disk at a view's point come from, for the chunks of which each block of 4096 bytes lies whole in one place. A block stands where its offset says, in large pages, so that a random read waits for
/// memory once. Sheets of it are made where enough chunks are resolved; of a disk for which all sheets would take more than views may, there are none.
/// <para>Read without a lock. What lies in the journal stays what the disk held at the point until a segment is retired: the reader takes the number of retirements before it looks, and what it read counts if the number is still
/// the same. All of the sheets is forgotten before anything resolved after a retirement is kept, so what is found is of that number or newer.</para>
/// <para>What lies in the live image does so until a record touches it: the reader takes the chunk's stamp before it looks, and what it read counts if that is still the region's. A block may be replaced meanwhile: then
/// by one resolved later, and the region's stamp had moved before that.</para>
/// Changed under the lock of its owner.
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

    // What the sheets hold for.
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

    /// <summary>Lets the processor fetch what a read of a byte of the disk will look at.</summary>
    public void Prefetch(long offset)
    {
        if (SheetOf(offset / ResolvedChunks.ChunkBytes, out var within) is { } sheet) sheet.Prefetch(within, BlockOf(offset));
    }

    /// <summary>The words of a chunk's blocks, of which some may not be known. Whoever uses them keeps this alive.</summary>
    /// <param name="retirementsNow">Taken before.</param>
    public bool TryFind(long chunk, long retirementsNow, out ReadOnlySpan<uint> words)
    {
        words = default;
        if (SheetOf(chunk, out var within) is not { } sheet || Volatile.Read(ref retirements) != retirementsNow) return false;
        words = sheet.WordsOf(within);
        return true;
    }

    /// <summary>The newest sequence that had touched the region of a chunk that <see cref="TryFind"/> finds, as far as its blocks know; 0 where nothing is known of them.</summary>
    public ulong StampOf(long chunk) => SheetOf(chunk, out var within)?.StampOf(within) ?? 0;

    /// <summary>Whether a range is a block, all of it.</summary>
    public static bool IsBlock(Extent range) => range.Length == BlockBytes && range.Offset % BlockBytes == 0;

    /// <summary>Whether a block lies in the live image, or did when it was resolved, and is what was read there.</summary>
    /// <param name="contents">What was read; verified where there is a checksum.</param>
    public static bool IsInLive(ReadOnlySpan<uint> words, Extent block, ReadOnlySpan<byte> contents)
    {
        var found = BlockAt(words, block.Offset);
        return found.Kind == ResolvedPartKind.Live || (found.IsInLive && Crc32C.Compute(contents) == found.Checksum);
    }

    /// <summary>Looks at the blocks of a range that lies within a chunk. False where one is not known.</summary>
    /// <param name="isLive">Whether one lies in the live image alone.</param>
    /// <param name="isInLive">Whether the live image holds one, too.</param>
    public static bool TryLook(ReadOnlySpan<uint> words, Extent range, out bool isLive, out bool isInLive)
    {
        isLive = isInLive = false;
        for (var at = Sectors.AlignDown(range.Offset, BlockBytes); at < range.End; at += BlockBytes)
        {
            var block = BlockAt(words, at);
            if (!block.IsKnown) return false;
            isLive |= block.Kind == ResolvedPartKind.Live;
            isInLive |= block.Kind == ResolvedPartKind.Live || block.IsInLive;
        }

        return true;
    }

    /// <summary>Reads a range of the disk that lies within the chunk. False where what is there does not verify, or is not known any more.</summary>
    /// <param name="words">The words of the chunk's blocks.</param>
    /// <param name="live">Null where nothing may be read of it.</param>
    public static bool TryRead(ReadOnlySpan<uint> words, Extent range, Span<byte> buffer, IBlockDevice? live, ResolvedSegments segments)
    {
        for (long at = range.Offset, to; at < range.End; at = to)
        {
            var block = BlockAt(words, at);
            to = Math.Min(Sectors.AlignDown(at, BlockBytes) + BlockBytes, range.End);
            while (block.Kind == ResolvedPartKind.Live && to < range.End && BlockAt(words, to).Kind == ResolvedPartKind.Live) to = Math.Min(to + BlockBytes, range.End);
            var target = buffer.Slice((int)(at - range.Offset), (int)(to - at));
            switch (block.Kind)
            {
                case ResolvedPartKind.Live:
                    if (live is null) return false;
                    live.Read(at, target);
                    break;
                case ResolvedPartKind.Zeros:
                    target.Clear();
                    break;
                default:
                    if (block.IsInLive && live is not null && TryReadLive(live, at, target, block.Checksum)) break;
                    if (!block.IsKnown || !segments[block.Segment].TryReadSmall(block.Place, BlockBytes, block.Checksum, (int)(at & (BlockBytes - 1)), target)) return false;
                    break;
            }
        }

        return true;
    }

    /// <summary>Keeps a chunk where there is a sheet for it.</summary>
    /// <param name="words">Of its blocks (<see cref="ResolvedChunk.TryGetBlocks"/>).</param>
    public bool TryKeep(ResolvedChunk chunk, ReadOnlySpan<uint> words)
    {
        if (SheetOf(chunk.Chunk, out var within) is not { } into) return false;
        if (chunk.Retirements > retirements)
        {
            foreach (var stale in sheets) stale?.Forget();
            Volatile.Write(ref retirements, chunk.Retirements);
        }

        // One that somebody resolved before that and was slow with is of no use.
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

    private static ResolvedPart BlockAt(ReadOnlySpan<uint> words, long offset) => ResolvedPart.Read(words.Slice(BlockOf(offset) * ResolvedPart.Words, ResolvedPart.Words));

    /// <summary>
    /// Reads a whole block from the live image, where it costs less than in the journal: a file of the disk's size and not of all its history. Verified as there; false where it does not verify or cannot be read, and
    /// then the journal still has it.
    /// </summary>
    private static bool TryReadLive(IBlockDevice live, long offset, Span<byte> target, uint checksum)
    {
        if (target.Length < BlockBytes) return false;
        try
        {
            live.Read(offset, target);
        }
        catch (IOException)
        {
            return false;
        }

        return Crc32C.Compute(target) == checksum;
    }

    private static int BlockOf(long offset) => (int)(offset / BlockBytes) & (BlocksPerChunk - 1);

    private ResolvedSheet? SheetOf(long chunk, out int within)
    {
        var sheet = chunk / SheetChunks;
        within = (int)(chunk - (sheet * SheetChunks));
        return sheet < sheets.Length ? Volatile.Read(ref sheets[sheet]) : null;
    }

    private int ChunksOf(long sheet) => (int)Math.Min(SheetChunks, chunkCount - (sheet * SheetChunks));
}
