using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using VmRepl.Blocks;
using VmRepl.Journal.Index;

namespace VmRepl.Journal.Views;

/// <summary>
/// Where the contents of a chunk of a disk at a view's point come from. True while neither a record touches the chunk's region nor a segment is retired.
/// All of it is in one array that does not change, so that a random read waits for memory twice: for the array's place, and for two lines of it, head and part, at once.
/// <code>
/// Word  Count        Field
/// 0     2            chunk
/// 2     2            newest sequence that had touched the region
/// 4     2            number of retirements
/// 6     1            number of parts
/// 7     3 × parts    the parts, in order (ResolvedPart)
/// …     3            where the last part ends, as the start of another
/// …     …            references that a part needs whole
/// </code>
/// </summary>
internal readonly struct ResolvedChunk
{
    // The array's head, and its slot's share of what the collector keeps.
    private const int Overhead = 32;

    private const int UsualPartBytes = 4096;

    private const int ChunkWord = 0, StampWord = 2, RetirementsWord = 4, PartsWord = 6, FirstPartWord = 7;

    private static readonly int ReferenceWords = (Unsafe.SizeOf<RecordRef>() + sizeof(uint) - 1) / sizeof(uint);

    private readonly uint[] words;

    /// <param name="words">Of a chunk made before.</param>
    public ResolvedChunk(uint[] words) => this.words = words;

    public long Chunk => (long)Long(ChunkWord);

    public ulong Stamp => Long(StampWord);

    public long Retirements => (long)Long(RetirementsWord);

    public long Bytes => Overhead + (words.Length * sizeof(uint));

    /// <summary>What a slot holds.</summary>
    public uint[] Words => words;

    private int Parts => (int)words[PartsWord];

    /// <summary>Null where a segment gets no number any more.</summary>
    /// <param name="chunk">First byte on the disk is this times <see cref="ResolvedChunks.ChunkBytes"/>.</param>
    /// <param name="stamp">Newest sequence that had touched the region by then.</param>
    /// <param name="retirements">Number of retirements by then.</param>
    /// <param name="sources">In order, covering the chunk, each with its segment, which is not held.</param>
    /// <param name="segments">Gives the segments their numbers.</param>
    public static ResolvedChunk? TryCreate(long chunk, ulong stamp, long retirements, ReadOnlySpan<ContentSource> sources, ResolvedSegments segments)
    {
        var offset = chunk * ResolvedChunks.ChunkBytes;
        var kept = 0;
        foreach (var source in sources) kept += ResolvedPart.NeedsReference(source) ? 1 : 0;
        var referencesAt = FirstPartWord + ((sources.Length + 1) * ResolvedPart.Words);
        var words = new uint[referencesAt + (kept * ReferenceWords)];
        var made = new ResolvedChunk(words);
        made.Long(ChunkWord) = (ulong)chunk;
        made.Long(StampWord) = stamp;
        made.Long(RetirementsWord) = (ulong)retirements;
        words[PartsWord] = (uint)sources.Length;
        kept = 0;
        for (var i = 0; i < sources.Length; i++)
        {
            ushort segment = 0;
            if (sources[i].Segment is { } file && !segments.TryNumber(file, out segment)) return null;
            var reference = referencesAt + (kept * ReferenceWords);
            new ResolvedPart(sources[i], offset, segment, (uint)reference).WriteTo(made.PartWords(i));
            if (!ResolvedPart.NeedsReference(sources[i])) continue;
            MemoryMarshal.Write(MemoryMarshal.AsBytes(words.AsSpan(reference, ReferenceWords)), sources[i].Record!.Value);
            kept++;
        }

        if (sources.Length > 0) ResolvedPart.WriteEnd(made.PartWords(sources.Length), (int)(sources[^1].Range.End - offset));
        return made;
    }

    /// <summary>Reads a range of the disk that lies within the chunk. False where what is there does not verify.</summary>
    public bool TryRead(Extent range, Span<byte> buffer, IBlockDevice live, ResolvedSegments segments)
    {
        var from = (int)(range.Offset & (ResolvedChunks.ChunkBytes - 1));
        var to = from + (int)range.Length;
        for (var i = FirstBehind(from); i < Parts; i++)
        {
            var part = new ResolvedPart(PartWords(i));
            if (part.Start >= to) break;
            var (partFrom, partTo) = (Math.Max(part.Start, from), Math.Min(Start(i + 1), to));
            var target = buffer.Slice(partFrom - from, partTo - partFrom);
            var at = range.Offset - from + partFrom;
            switch (part.Kind)
            {
                case ResolvedPartKind.Small:
                    if (!segments[part.Segment].TryReadSmall(part.Place, part.PayloadBytes, part.Checksum, partFrom - part.Start + part.BytesBefore, target)) return false;
                    break;
                case ResolvedPartKind.Live:
                    live.Read(at, target);
                    break;
                case ResolvedPartKind.Zeros:
                    target.Clear();
                    break;
                default:
                    segments[part.Segment].Read(MemoryMarshal.Read<RecordRef>(MemoryMarshal.AsBytes(words.AsSpan((int)part.Place, ReferenceWords))), new Extent(at, target.Length), target);
                    break;
            }
        }

        return true;
    }

    /// <summary>Writes for each block of 4096 bytes the part that it lies in. False where one lies in several, or needs a reference.</summary>
    /// <param name="words">For all blocks of a chunk; those behind the end of the disk become zeros.</param>
    public bool TryGetBlocks(Span<uint> words)
    {
        words.Clear();
        for (var i = 0; i < Parts; i++)
        {
            var part = new ResolvedPart(PartWords(i));
            var (from, to) = (part.Start, Start(i + 1));
            var isWhole = from % ResolvedBlocks.BlockBytes == 0 && (to % ResolvedBlocks.BlockBytes == 0 || i == Parts - 1);
            if (!isWhole || part.Kind == ResolvedPartKind.Referred || (part.Kind == ResolvedPartKind.Small && (part.PayloadBytes != ResolvedBlocks.BlockBytes || to - from != ResolvedBlocks.BlockBytes))) return false;
            for (var at = from; at < to; at += ResolvedBlocks.BlockBytes) part.WriteTo(words.Slice(at / ResolvedBlocks.BlockBytes * ResolvedPart.Words, ResolvedPart.Words));
        }

        return true;
    }

    /// <summary>Number of the first part that reaches behind a byte of the chunk.</summary>
    private int FirstBehind(int at)
    {
        // Parts are mostly of one size: a guess is one look instead of four. The first guess, that of 4 KiB parts, takes nothing from the head, so that the processor fetches the part's line beside the head's.
        var guess = at / UsualPartBytes;
        if (FirstPartWord + ((guess + 2) * ResolvedPart.Words) <= words.Length && guess < Parts && Start(guess) <= at && at < Start(guess + 1)) return guess;
        guess = (int)((uint)at * (uint)Parts / ResolvedChunks.ChunkBytes);
        if (Start(guess) <= at && at < Start(guess + 1)) return guess;
        int low = 0, high = Parts;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (Start(middle + 1) <= at) low = middle + 1;
            else high = middle;
        }

        return low;
    }

    private int Start(int part) => ResolvedPart.StartOf(words[FirstPartWord + (part * ResolvedPart.Words) + ResolvedPart.ShapeWord]);

    private Span<uint> PartWords(int part) => words.AsSpan(FirstPartWord + (part * ResolvedPart.Words), ResolvedPart.Words);

    private ref ulong Long(int word) => ref Unsafe.As<uint, ulong>(ref words[word]);
}
