using System.Numerics;

namespace VmRepl.Blocks.Scratch;

/// <summary>
/// The state of every unit of a scratch layer, two bits each, in pages that exist where states differ: what was never written costs nothing, nor does a whole page of one state.
/// So the memory is bounded by the number of units, however scattered the writes are. Not safe for concurrent use.
/// </summary>
internal sealed class ScratchMap
{
    private const int UnitsInWord = 32;
    private const int WordsInPage = 512;

    /// <summary>A page is 4096 bytes.</summary>
    public const int UnitsInPage = UnitsInWord * WordsInPage;

    private const ulong Ones = 0x5555_5555_5555_5555;

    // Pages of one state throughout, shared by all maps and never written: recognised by reference, and copied when one of their units changes.
    private static readonly ulong[][] Uniform = [.. Enum.GetValues<ScratchState>().Select(s => Enumerable.Repeat(Pattern(s), WordsInPage).ToArray())];

    private readonly ulong[][] pages;

    public ScratchMap(long units)
    {
        pages = new ulong[(units + UnitsInPage - 1) / UnitsInPage][];
        Array.Fill(pages, Uniform[(int)ScratchState.Below]);
    }

    /// <summary>Pages that exist.</summary>
    public int PageCount { get; private set; }

    public ScratchState this[long unit] => (ScratchState)(pages[unit / UnitsInPage][unit % UnitsInPage / UnitsInWord] >> (int)(unit % UnitsInWord * 2) & 3);

    public void Set(long first, long count, ScratchState state)
    {
        for (var end = first + count; first < end;)
        {
            var page = first / UnitsInPage;
            var from = (int)(first % UnitsInPage);
            var to = (int)Math.Min(UnitsInPage, end - (page * UnitsInPage));
            SetInPage(page, from, to, state);
            first += to - from;
        }
    }

    /// <summary>The runs of [<paramref name="first"/>, first + <paramref name="count"/>), in order and as long as they can be; the first <paramref name="runsMax"/> of them.</summary>
    public List<ScratchRun> Runs(long first, long count, int runsMax = int.MaxValue)
    {
        var runs = new List<ScratchRun>();
        for (var end = first + count; first < end && runs.Count < runsMax;)
        {
            var state = this[first];
            var runEnd = EndOfRun(first, end, state);
            runs.Add(new ScratchRun(first, runEnd - first, state));
            first = runEnd;
        }

        return runs;
    }

    private void SetInPage(long page, int from, int to, ScratchState state)
    {
        if (pages[page] == Uniform[(int)state]) return;
        if (to - from == UnitsInPage)
        {
            if (!IsShared(pages[page])) PageCount--;
            pages[page] = Uniform[(int)state];
            return;
        }

        if (IsShared(pages[page]))
        {
            pages[page] = [.. pages[page]];
            PageCount++;
        }

        var words = pages[page];
        while (from < to)
        {
            var inWord = from % UnitsInWord;
            var units = Math.Min(UnitsInWord - inWord, to - from);
            var mask = (units == UnitsInWord ? ulong.MaxValue : (1UL << (units * 2)) - 1) << (inWord * 2);
            ref var word = ref words[from / UnitsInWord];
            word = (word & ~mask) | (Pattern(state) & mask);
            from += units;
        }
    }

    private long EndOfRun(long at, long end, ScratchState state)
    {
        var pattern = Pattern(state);
        while (at < end)
        {
            var page = pages[at / UnitsInPage];
            if (page == Uniform[(int)state])
            {
                at = ((at / UnitsInPage) + 1) * UnitsInPage;
                continue;
            }

            var inWord = (int)(at % UnitsInWord);
            var different = (page[at % UnitsInPage / UnitsInWord] ^ pattern) >> (inWord * 2);
            if (different != 0) return Math.Min(end, at + (BitOperations.TrailingZeroCount(different) / 2));
            at += UnitsInWord - inWord;
        }

        return end;
    }

    private static bool IsShared(ulong[] page) => Array.IndexOf(Uniform, page) >= 0;

    private static ulong Pattern(ScratchState state) => Ones * (ulong)state;
}
