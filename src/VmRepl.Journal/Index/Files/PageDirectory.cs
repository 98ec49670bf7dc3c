using System.Buffers.Binary;
using System.Runtime.InteropServices;
using VmRepl.Blocks;

namespace VmRepl.Journal.Index.Files;

/// <summary>
/// Which page of runs has a range of a disk: the fences of all pages, in memory, and their filters where there is room for them. A page has runs of one disk only.
/// A fence in the file:
/// <code>
/// Offset  Size  Field
/// 0       8     start of the page's first run
/// 8       4     disk
/// 12      1     logarithm of the bytes of a block of its filter
/// 13      3     zero
/// total   16
/// </code>
/// </summary>
internal sealed class PageDirectory
{
    public const int FenceBytes = 16;

    private const int DiskAt = 8, ShiftAt = 12;

    private readonly long[] starts;
    private readonly byte[] shifts;

    // The disks in order; pages firstPages[d] to firstPages[d + 1] are disk d's.
    private readonly uint[] disks;
    private readonly int[] firstPages;

    // Read without a lock by those who search, and set to null by the cache's.
    private volatile ulong[]? filters;

    private PageDirectory(long[] starts, byte[] shifts, uint[] disks, int[] firstPages) =>
        (this.starts, this.shifts, this.disks, this.firstPages) = (starts, shifts, disks, firstPages);

    /// <summary>Bytes of memory, the filters' apart.</summary>
    public long MemoryBytes => (starts.Length * (sizeof(long) + 1L)) + (disks.Length * 2L * sizeof(uint));

    /// <summary>Whether the filters are in memory.</summary>
    public bool HasFilters => filters is not null;

    public static void WriteFence(Span<byte> fence, uint disk, long start, int shift)
    {
        BinaryPrimitives.WriteInt64LittleEndian(fence, start);
        BinaryPrimitives.WriteUInt32LittleEndian(fence[DiskAt..], disk);
        fence[ShiftAt] = (byte)shift;
    }

    /// <exception cref="JournalDamagedException">The fences are not in order.</exception>
    public static PageDirectory Read(ReadOnlySpan<byte> fences, string path, long offset)
    {
        var pages = fences.Length / FenceBytes;
        var (starts, shifts) = (new long[pages], new byte[pages]);
        var (disks, firstPages) = (new List<uint>(), new List<int>());
        for (var i = 0; i < pages; i++)
        {
            var fence = fences.Slice(i * FenceBytes, FenceBytes);
            starts[i] = BinaryPrimitives.ReadInt64LittleEndian(fence);
            shifts[i] = fence[ShiftAt];
            var disk = BinaryPrimitives.ReadUInt32LittleEndian(fence[DiskAt..]);
            var isNext = disks.Count == 0 || disk > disks[^1];
            if (starts[i] < 0 || !Sectors.IsAligned(starts[i], Sectors.Size) || shifts[i] is < PageFilter.ShiftMin or > PageFilter.ShiftMax || (!isNext && (disk < disks[^1] || starts[i] <= starts[i - 1])))
                throw new JournalDamagedException(path, offset + (i * FenceBytes), $"fence {i} of the index is out of place");
            if (!isNext) continue;
            disks.Add(disk);
            firstPages.Add(i);
        }

        return new PageDirectory(starts, shifts, [.. disks], [.. firstPages, pages]);
    }

    public void SetFilters(ReadOnlySpan<byte> area)
    {
        var words = new ulong[area.Length / sizeof(ulong)];
        area.CopyTo(MemoryMarshal.AsBytes(words.AsSpan()));
        if (!BitConverter.IsLittleEndian) BinaryPrimitives.ReverseEndianness(words, words);
        filters = words;
    }

    public void DropFilters() => filters = null;

    /// <summary>The first page that may have a run of the disk that overlaps the range, and the end of the disk's pages. False where none does.</summary>
    public bool TryFind(uint disk, long start, long end, out int page, out int pageEnd)
    {
        (page, pageEnd) = (0, 0);
        var d = disks.AsSpan().BinarySearch(disk);
        if (d < 0) return false;
        (page, pageEnd) = (firstPages[d], firstPages[d + 1]);
        var next = FirstAfter(start, page, pageEnd);
        // A run begins before the range only in the last page that does; where the disk's first page begins behind it, that is the one.
        if (next == page) return starts[page] < end;
        page = next - 1;
        if (next < pageEnd && starts[next] < end) return true;
        return filters is not { } words || PageFilter.MayTouch(words.AsSpan(page * PageFilter.Words, PageFilter.Words), shifts[page], disk, start, end);
    }

    /// <summary>The first byte of the page's first run.</summary>
    public long Start(int page) => starts[page];

    /// <summary>Which run of the page the offset is likely to be in: by how far it is from the page's first run to the next page's. Where nothing is known of that, the middle.</summary>
    public int Guess(int page, int count, long offset)
    {
        var start = starts[page];
        if (offset <= start) return 0;
        // A page of the next disk may begin anywhere: a guess may be wrong.
        var limit = page + 1 < starts.Length ? starts[page + 1] : 0;
        return limit > offset ? Math.Min(count - 1, (int)((offset - start) * (double)count / (limit - start))) : count / 2;
    }

    public uint DiskOf(int page)
    {
        var d = firstPages.AsSpan(0, disks.Length).BinarySearch(page);
        return disks[d < 0 ? ~d - 1 : d];
    }

    /// <summary>Where the runs of a page end at the latest: where the disk's next page begins.</summary>
    public long Limit(int page) => page + 1 < starts.Length && DiskOf(page) == DiskOf(page + 1) ? starts[page + 1] : long.MaxValue;

    /// <summary>The first page of these that starts behind <paramref name="offset"/>.</summary>
    private int FirstAfter(long offset, int low, int high)
    {
        var all = starts;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (all[middle] <= offset) low = middle + 1;
            else high = middle;
        }

        return low;
    }
}
