namespace VmRepl.Journal.Index.Files;

/// <summary>
/// A Bloom filter of 1024 bits over the blocks that the runs of one page touch: two lines of 512 bits, of which a block has one, and in it four bits. A block is 4096 bytes, or as many times twice
/// that as it takes for the page to touch few enough of them; so it grows by nothing while a file is written, and large extents spoil the filter of their own page only.
/// <code>
/// h = disk × 0x9e3779b97f4a7c15 + block, xor its upper half, × 0xff51afd7ed558ccd, xor its upper half, × 0xc4ceb9fe1a85ec53
/// bit of the line: h >> 10, h >> 19, h >> 28, h >> 37, 9 bits each; line: h >> 63
/// </code>
/// </summary>
internal static class PageFilter
{
    public const int Words = 16;
    public const int Bytes = Words * sizeof(ulong);
    public const int ShiftMin = 12;
    public const int ShiftMax = 62;

    /// <summary>A range of more blocks than this is looked up in the page at once.</summary>
    public const int BlocksAsked = 4;

    private const int BlocksMax = 192;
    private const int LineWords = 8;

    /// <summary>Builds the filter of a page of runs.</summary>
    /// <param name="words">Cleared.</param>
    /// <returns>Logarithm of the bytes of a block.</returns>
    public static int Build(ReadOnlySpan<byte> page, int count, uint disk, Span<ulong> words)
    {
        var shift = ShiftMin;
        while (Blocks(page, count, shift) > BlocksMax) shift++;
        for (var i = 0; i < count; i++)
        {
            var run = RunEntry.Read(page, i);
            for (var block = run.Start >> shift; block <= (run.End - 1) >> shift; block++) Add(words, disk, block);
        }

        return shift;
    }

    /// <summary>Whether one of the runs may touch the range. False is certain.</summary>
    public static bool MayTouch(ReadOnlySpan<ulong> words, int shift, uint disk, long start, long end)
    {
        var (block, last) = (start >> shift, (end - 1) >> shift);
        if (last - block >= BlocksAsked) return true;
        for (; block <= last; block++)
        {
            if (Has(words, disk, block)) return true;
        }

        return false;
    }

    private static long Blocks(ReadOnlySpan<byte> page, int count, int shift)
    {
        long blocks = 0, next = 0;
        for (var i = 0; i < count; i++)
        {
            var run = RunEntry.Read(page, i);
            var (first, last) = (Math.Max(next, run.Start >> shift), (run.End - 1) >> shift);
            if (last < first) continue;
            blocks += last - first + 1;
            next = last + 1;
        }

        return blocks;
    }

    private static void Add(Span<ulong> words, uint disk, long block)
    {
        var hash = Hash(disk, block);
        var line = words.Slice((int)(hash >> 63) * LineWords, LineWords);
        for (var from = 10; from < 46; from += 9) line[(int)((hash >> (from + 6)) & 7)] |= 1ul << (int)((hash >> from) & 63);
    }

    private static bool Has(ReadOnlySpan<ulong> words, uint disk, long block)
    {
        var hash = Hash(disk, block);
        var line = words.Slice((int)(hash >> 63) * LineWords, LineWords);
        return (line[(int)((hash >> 16) & 7)] >> (int)((hash >> 10) & 63) & line[(int)((hash >> 25) & 7)] >> (int)((hash >> 19) & 63)
            & line[(int)((hash >> 34) & 7)] >> (int)((hash >> 28) & 63) & line[(int)((hash >> 43) & 7)] >> (int)((hash >> 37) & 63) & 1) != 0;
    }

    private static ulong Hash(uint disk, long block)
    {
        var hash = (disk * 0x9e3779b97f4a7c15ul) + (ulong)block;
        hash = (hash ^ (hash >> 32)) * 0xff51afd7ed558ccdul;
        return (hash ^ (hash >> 32)) * 0xc4ceb9fe1a85ec53ul;
    }
}
