using System.Numerics;
using VmRepl.Blocks;

namespace VmRepl.Replication.Source.Following;

/// <summary>
/// A set of chunks of 4 KiB of one disk: a bit for each, in pieces of 16 MiB that take memory only where some of their chunks are in the set and some are not. Not safe for concurrent use.
/// </summary>
internal sealed class ChunkSet(long diskLength)
{
    public const int ChunkBytes = 4 << 10;

    private const int PieceChunks = 4096;
    private const int WordsEach = PieceChunks / 64;

    // One for all pieces of which every chunk is in; never written.
    private static readonly ulong[] Full = [.. Enumerable.Repeat(ulong.MaxValue, WordsEach)];

    private readonly ulong[]?[] pieces = new ulong[]?[((diskLength + ChunkBytes - 1) / ChunkBytes + PieceChunks - 1) / PieceChunks];
    private readonly long chunks = (diskLength + ChunkBytes - 1) / ChunkBytes;

    /// <summary>Number of chunks in the set.</summary>
    public long Count { get; private set; }

    /// <summary>Their bytes; a short last chunk counts as whole.</summary>
    public long Bytes => Count * ChunkBytes;

    /// <summary>Adds every chunk that the extent touches.</summary>
    public void Add(Extent extent) => Change(extent, isAdding: true);

    /// <summary>Removes every chunk that the extent touches.</summary>
    public void Remove(Extent extent) => Change(extent, isAdding: false);

    public void Clear()
    {
        Array.Clear(pieces);
        Count = 0;
    }

    /// <summary>Whether any chunk that the extent touches is in the set.</summary>
    public bool Overlaps(Extent extent) => Count > 0 && !extent.IsEmpty && Next(extent.Offset / ChunkBytes, Last(extent), isIn: true) <= Last(extent);

    /// <summary>Cuts the extent, on chunks, into runs that are in the set and runs that are not, in order; together they are the extent.</summary>
    public IEnumerable<(Extent Part, bool IsIn)> Runs(Extent extent)
    {
        if (extent.IsEmpty) yield break;
        var last = Last(extent);
        for (var at = extent.Offset / ChunkBytes; at <= last;)
        {
            var isIn = Contains(at);
            var end = Next(at, last, !isIn);
            yield return (Extent.FromEnds(Math.Max(extent.Offset, at * ChunkBytes), Math.Min(extent.End, end * ChunkBytes)), isIn);
            at = end;
        }
    }

    /// <summary>The first byte at or after <paramref name="from"/> that is in a chunk of the set; -1 where there is none.</summary>
    public long FirstFrom(long from)
    {
        var next = Next(from / ChunkBytes, chunks - 1, isIn: true);
        return next >= chunks ? -1 : Math.Max(from, next * ChunkBytes);
    }

    private static long Last(Extent extent) => (extent.End - 1) / ChunkBytes;

    private bool Contains(long chunk) => pieces[chunk / PieceChunks] is { } words && (words[chunk % PieceChunks / 64] >> (int)(chunk % 64) & 1) != 0;

    /// <summary>The first chunk from <paramref name="from"/> to <paramref name="last"/> that is, or is not, in the set; one behind the last where there is none.</summary>
    private long Next(long from, long last, bool isIn)
    {
        for (var at = from; at <= last;)
        {
            var words = pieces[at / PieceChunks];
            if (words is null || ReferenceEquals(words, Full))
            {
                if (words is null != isIn) return at;
                at = (at / PieceChunks + 1) * PieceChunks;
                continue;
            }

            var word = words[at % PieceChunks / 64];
            var rest = (isIn ? word : ~word) >> (int)(at % 64);
            if (rest != 0) return Math.Min(at + BitOperations.TrailingZeroCount(rest), last + 1);
            at = (at / 64 + 1) * 64;
        }

        return last + 1;
    }

    private void Change(Extent extent, bool isAdding)
    {
        if (extent.IsEmpty) return;
        var last = Last(extent);
        for (var at = extent.Offset / ChunkBytes; at <= last;)
        {
            var piece = at / PieceChunks;
            var (first, end) = ((int)(at % PieceChunks), (int)Math.Min(PieceChunks, last + 1 - (piece * PieceChunks)));
            Change(piece, first, end, isAdding);
            at = (piece + 1) * PieceChunks;
        }
    }

    private void Change(long piece, int first, int end, bool isAdding)
    {
        var words = pieces[piece];
        if (words is null && !isAdding) return;
        if (ReferenceEquals(words, Full) && isAdding) return;
        if (first == 0 && end == PieceChunks)
        {
            Count += (isAdding ? PieceChunks : 0) - CountOf(words);
            pieces[piece] = isAdding ? Full : null;
            return;
        }

        if (words is null) words = new ulong[WordsEach];
        else if (ReferenceEquals(words, Full)) words = [.. Full];
        for (var at = first; at < end;)
        {
            var count = Math.Min(64 - at % 64, end - at);
            var mask = (count == 64 ? ulong.MaxValue : (1UL << count) - 1) << at % 64;
            ref var word = ref words[at / 64];
            var before = BitOperations.PopCount(word);
            word = isAdding ? word | mask : word & ~mask;
            Count += BitOperations.PopCount(word) - before;
            at += count;
        }

        pieces[piece] = isAdding || words.AsSpan().ContainsAnyExcept(0UL) ? words : null;
    }

    private static int CountOf(ulong[]? words)
    {
        var count = 0;
        foreach (var word in words ?? []) count += BitOperations.PopCount(word);
        return count;
    }
}
