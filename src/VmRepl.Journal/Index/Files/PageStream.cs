using VmRepl.Blocks.Files;

namespace VmRepl.Journal.Index.Files;

/// <summary>Collects entries of one kind into pages and writes these in chunks; <paramref name="place"/> says where a chunk of that many pages goes.</summary>
internal sealed class PageStream(IHostFile file, Func<int, uint> place, IndexPageKind kind, int entryBytes)
{
    private readonly byte[] chunk = new byte[IndexLayout.PieceBytes];
    private readonly int entriesMax = IndexPage.EntriesMax(entryBytes);
    private readonly int[] counts = new int[IndexLayout.ChunkPages];
    private int pages;

    /// <summary>Numbers of the first pages of the chunks written.</summary>
    public List<uint> Chunks { get; } = [];

    /// <summary>Pages that are full, and entries in the one that is not.</summary>
    public long Pages { get; private set; }

    public int Entries { get; private set; }

    public bool PageIsFull => Entries == entriesMax;

    /// <summary>The page that is being filled, without its head.</summary>
    public ReadOnlySpan<byte> Page => chunk.AsSpan(pages * IndexLayout.PageBytes, IndexLayout.PageBytes);

    /// <summary>Room for one more entry, cleared, to be filled before anything else is asked.</summary>
    public Span<byte> Next()
    {
        if (PageIsFull) ClosePage();
        return chunk.AsSpan((pages * IndexLayout.PageBytes) + IndexLayout.PageHeaderBytes + (Entries++ * entryBytes), entryBytes);
    }

    /// <summary>Ends the page that is being filled, if it has an entry.</summary>
    public void ClosePage()
    {
        if (Entries == 0) return;
        // Its number is known when the chunk has its place.
        counts[pages++] = Entries;
        Pages++;
        Entries = 0;
        if (pages == IndexLayout.ChunkPages) WriteChunk();
    }

    public void Finish()
    {
        ClosePage();
        if (pages > 0) WriteChunk();
    }

    private void WriteChunk()
    {
        var first = place(pages);
        for (var i = 0; i < pages; i++) IndexPage.Seal(chunk.AsSpan(i * IndexLayout.PageBytes, IndexLayout.PageBytes), first + (uint)i, kind, counts[i]);
        var offset = first * (long)IndexLayout.PageBytes;
        var bytes = pages * IndexLayout.PageBytes;
        file.Write(offset, chunk.AsSpan(0, bytes));
        // So that the flush at the end finds little left to do.
        file.BeginWriteBack(offset, bytes);
        Chunks.Add(first);
        chunk.AsSpan(0, bytes).Clear();
        pages = 0;
    }
}
