namespace VmRepl.Journal.Index.Files;

/// <summary>
/// The pages of one file that are in the cache, by their number: a page that is there is found without a lock and without a search. The fourth word of a page's head, which is zero in the file, is the
/// cache's mark of use in memory.
/// </summary>
/// <param name="pageLimit">Pages are before this one.</param>
internal sealed class IndexPageTable(long pageLimit)
{
    private const int MarkAt = 12;

    private readonly byte[]?[] pages = new byte[]?[pageLimit];

    /// <summary>Bytes of memory, the pages' apart.</summary>
    public long MemoryBytes => pages.Length * (long)IntPtr.Size;

    /// <summary>The page, if it is in memory. It may leave the cache meanwhile, and stays as it is.</summary>
    public byte[]? Find(uint page)
    {
        var bytes = Volatile.Read(ref pages[page]);
        // Not written each time: a page that many readers use is then in the cache of each processor.
        if (bytes is not null && bytes[MarkAt] == 0) bytes[MarkAt] = 1;
        return bytes;
    }

    public bool Has(uint page) => pages[page] is not null;

    public void Set(uint page, byte[]? bytes) => Volatile.Write(ref pages[page], bytes);

    /// <summary>Takes the mark off; whether it was there.</summary>
    public bool TakeMark(uint page)
    {
        var bytes = pages[page]!;
        var isMarked = bytes[MarkAt] != 0;
        bytes[MarkAt] = 0;
        return isMarked;
    }
}
