using System.Buffers.Binary;

namespace VmRepl.Journal.Index.Files;

/// <summary>Where the pages of one kind stand: the numbers of the first pages of their chunks, little endian, 4 bytes each. Only the last chunk has fewer than 16 pages.</summary>
internal sealed class ChunkPlaces
{
    private readonly uint[] firstPages;

    private ChunkPlaces(uint[] firstPages) => this.firstPages = firstPages;

    public long MemoryBytes => firstPages.Length * (long)sizeof(uint);

    /// <summary>The number in the file of that page of its kind.</summary>
    public uint this[long page] => firstPages[page / IndexLayout.ChunkPages] + (uint)(page % IndexLayout.ChunkPages);

    /// <param name="area">As it stands in the file.</param>
    /// <param name="pages">Number of pages of the kind.</param>
    /// <param name="pageLimit">Pages are before this one.</param>
    /// <param name="path">For errors.</param>
    /// <param name="offset">For errors: of the area.</param>
    /// <exception cref="JournalDamagedException">A chunk lies outside of the pages.</exception>
    public static ChunkPlaces Read(ReadOnlySpan<byte> area, long pages, long pageLimit, string path, long offset)
    {
        var firstPages = new uint[area.Length / IndexLayout.ChunkPlaceBytes];
        for (var i = 0; i < firstPages.Length; i++)
        {
            firstPages[i] = BinaryPrimitives.ReadUInt32LittleEndian(area[(i * IndexLayout.ChunkPlaceBytes)..]);
            var needed = Math.Min(IndexLayout.ChunkPages, pages - ((long)i * IndexLayout.ChunkPages));
            if (firstPages[i] == 0 || firstPages[i] > pageLimit - needed) throw new JournalDamagedException(path, offset + (i * IndexLayout.ChunkPlaceBytes), $"pages of the index are said to stand at page {firstPages[i]}");
        }

        return new ChunkPlaces(firstPages);
    }
}
