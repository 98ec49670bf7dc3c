using System.Buffers.Binary;
using VmRepl.Blocks;

namespace VmRepl.Journal.Index.Files;

/// <summary>
/// A run in a page of runs:
/// <code>
/// Offset  Size  Field
/// 0       8     start: first byte on the disk
/// 8       8     end: byte behind the last
/// 16      8     sequence of the oldest version, 0 where there is none
/// 24      8     sequence of the newest version, 0 where there is none
/// 32      8     number of its first reference in the file: the versions, from the oldest, then the undo
/// 40      4     disk
/// 44      4     number of versions; bit 31: there is an undo
/// total   48
/// </code>
/// </summary>
internal static class RunEntry
{
    public const int Bytes = 48;
    public const int PerPage = (IndexLayout.PageBytes - IndexLayout.PageHeaderBytes) / Bytes;

    private const int EndAt = 8, OldestAt = 16, NewestAt = 24, FirstAt = 32, DiskAt = 40, VersionsAt = 44;
    private const uint UndoBit = 1u << 31;

    /// <param name="run">Its token is the number of its first reference.</param>
    public static void Write(Span<byte> entry, uint disk, in LayerRun run)
    {
        BinaryPrimitives.WriteInt64LittleEndian(entry, run.Start);
        BinaryPrimitives.WriteInt64LittleEndian(entry[EndAt..], run.End);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[OldestAt..], run.Oldest);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[NewestAt..], run.Newest);
        BinaryPrimitives.WriteInt64LittleEndian(entry[FirstAt..], run.Token);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[DiskAt..], disk);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[VersionsAt..], (uint)run.Versions | (run.HasUndo ? UndoBit : 0));
    }

    public static LayerRun Read(ReadOnlySpan<byte> page, int index)
    {
        var entry = IndexPage.Entry(page, index, Bytes);
        var versions = BinaryPrimitives.ReadUInt32LittleEndian(entry[VersionsAt..]);
        return new LayerRun(
            BinaryPrimitives.ReadInt64LittleEndian(entry), BinaryPrimitives.ReadInt64LittleEndian(entry[EndAt..]),
            BinaryPrimitives.ReadUInt64LittleEndian(entry[OldestAt..]), BinaryPrimitives.ReadUInt64LittleEndian(entry[NewestAt..]),
            (int)(versions & ~UndoBit), (versions & UndoBit) != 0, BinaryPrimitives.ReadInt64LittleEndian(entry[FirstAt..]));
    }

    public static uint Disk(ReadOnlySpan<byte> page, int index) => BinaryPrimitives.ReadUInt32LittleEndian(IndexPage.Entry(page, index, Bytes)[DiskAt..]);

    /// <summary>Number of the first run of the page that ends behind <paramref name="offset"/>; the page's count where none does.</summary>
    /// <param name="guess">Where it may be, below the count: the search goes out from there, so that a good guess touches little of the page.</param>
    public static int FirstEndingAfter(ReadOnlySpan<byte> page, int count, long offset, int guess)
    {
        var ends = page[(IndexLayout.PageHeaderBytes + EndAt)..];
        int low = 0, high = count;
        if (EndOf(ends, guess) > offset)
        {
            high = guess;
            for (var step = 1; high - step >= 0; step *= 2)
            {
                if (EndOf(ends, high - step) <= offset)
                {
                    low = high - step + 1;
                    break;
                }

                high -= step;
            }
        }
        else
        {
            low = guess + 1;
            for (var step = 1; low + step <= count; step *= 2)
            {
                if (EndOf(ends, low + step - 1) > offset)
                {
                    high = low + step - 1;
                    break;
                }

                low += step;
            }
        }

        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (EndOf(ends, middle) <= offset) low = middle + 1;
            else high = middle;
        }

        return low;
    }

    /// <summary>Why the runs of a page, whose checksum holds, cannot be what a writer wrote, or null. Asked once, when the page is read, so that nothing need be asked when it is searched.</summary>
    /// <param name="start">What its fence says.</param>
    /// <param name="limit">Start of the disk's next page, or the most that an offset can be.</param>
    /// <param name="references">Number of references in the file.</param>
    public static string? WhyNot(ReadOnlySpan<byte> page, uint disk, long start, long limit, long references)
    {
        var at = start;
        for (var i = 0; i < IndexPage.Count(page); i++)
        {
            var run = Read(page, i);
            var isInPlace = Disk(page, i) == disk && (i == 0 ? run.Start == start : run.Start >= at) && run.End > run.Start && run.End <= limit
                && Sectors.IsAligned(run.Start, Sectors.Size) && Sectors.IsAligned(run.End, Sectors.Size);
            if (!isInPlace) return $"run {i} of the page is out of place: disk {Disk(page, i)}, {run.Start} to {run.End}";
            var needed = run.Versions + (run.HasUndo ? 1L : 0);
            if (needed == 0 || run.Token < 0 || run.Token > references - needed || (run.Versions > 0) != (run.Oldest > 0) || run.Oldest > run.Newest || (run.Oldest == 0 && run.Newest > 0))
                return $"run {i} of the page has a history that cannot be: {run}";
            at = run.End;
        }

        return null;
    }

    private static long EndOf(ReadOnlySpan<byte> ends, int index) => BinaryPrimitives.ReadInt64LittleEndian(ends[(index * Bytes)..]);
}
