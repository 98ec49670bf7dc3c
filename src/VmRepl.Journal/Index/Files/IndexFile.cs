using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Protocol;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Journal.Index.Files;

/// <summary>
/// A layer that is an immutable file. Fences and filters are in memory and counted in the cache's cap; pages of runs and of references come through the cache, and are verified when they are read.
/// A page that does not verify is a <see cref="JournalDamagedException"/> at the question that needed it; the file can then be removed, and what it said be read from the records.
/// Safe for concurrent questions; not beside <see cref="Dispose"/>.
/// </summary>
internal sealed class IndexFile : IndexLayer, IDisposable
{
    private readonly IHostFile file;
    private readonly IndexHeader header;
    private readonly PageDirectory directory;
    private readonly ChunkPlaces runChunks;
    private readonly ChunkPlaces referenceChunks;
    private readonly IndexPageCache cache;
    private readonly IndexPageTable pages;
    private readonly long reserved;
    private readonly bool isScan;
    private bool isDisposed;

    private IndexFile(IHostFile file, IndexHeader header, IndexPageCache cache)
    {
        this.file = file;
        this.header = header;
        this.cache = cache;
        directory = PageDirectory.Read(header.Fences.Read(file, "fences"), file.Path, header.Fences.Offset);
        runChunks = ChunkPlaces.Read(header.RunChunks.Read(file, "places of the runs"), header.RunPages, header.PageLimit, file.Path, header.RunChunks.Offset);
        referenceChunks = ChunkPlaces.Read(header.ReferenceChunks.Read(file, "places of the references"), header.ReferencePages, header.PageLimit, file.Path, header.ReferenceChunks.Offset);
        Segments = ReadSegments();
        pages = new IndexPageTable(header.PageLimit);
        reserved = directory.MemoryBytes + runChunks.MemoryBytes + referenceChunks.MemoryBytes + pages.MemoryBytes;
        cache.Reserve(reserved);
    }

    private IndexFile(IndexFile original, IndexPageCache own)
    {
        (file, header, directory, runChunks, referenceChunks, Segments) = (original.file, original.header, original.directory, original.runChunks, original.referenceChunks, original.Segments);
        (cache, pages, isScan) = (own, new IndexPageTable(header.PageLimit), true);
    }

    public override CommitPlace First => header.First;

    public override CommitPlace End => header.End;

    public override ulong NewestSequence => header.NewestSequence;

    public override long RunCount => header.Runs;

    /// <summary>
    /// The file is of use only where the recovery range begins at this sequence or later, and the first needed segment is <see cref="FirstNeeded"/> or later: it was written when that was so,
    /// and what was void by then is not in it. A store that lost a flush may come back with an earlier start.
    /// </summary>
    public ulong Start => header.Start;

    public ulong FirstNeeded => header.FirstNeeded;

    /// <summary>The segments that it covers wholly or in part, in order; those before <see cref="FirstNeeded"/> are left out.</summary>
    public IReadOnlyList<CoveredSegment> Segments { get; }

    /// <summary>Bytes of the file.</summary>
    public long FileBytes => header.FileBytes;

    public string Path => file.Path;

    /// <summary>Whether questions about what the file does not have are answered without a page.</summary>
    public bool HasFilters => directory.HasFilters;

    /// <summary>Opens the file and verifies all of it but its pages and facts.</summary>
    /// <exception cref="JournalDamagedException">It does not verify.</exception>
    public static IndexFile Open(IHostDirectory directory, string name, IndexPageCache cache)
    {
        var file = directory.Open(name, HostFileAccess.Read);
        IndexFile? index = null;
        try
        {
            index = new IndexFile(file, IndexHeader.Read(file), cache);
            if (IndexFileName.Of(index.First, index.End) != name) throw new JournalDamagedException(file.Path, 0, $"says that it covers {index.First} to {index.End}");
            index.ReadFilters();
            return index;
        }
        catch
        {
            (index ?? (IDisposable)file).Dispose();
            throw;
        }
    }

    /// <summary>The same file read through a cache of its own: a merge reads everything once, and would push out of the store's cache what is asked for often. Not to be disposed of.</summary>
    public IndexFile Scan(IndexPageCache own) => new(this, own);

    /// <summary>The records that are no contents, in the journal's order, the newest checkpoint last.</summary>
    /// <exception cref="JournalDamagedException">While they are enumerated: they do not verify.</exception>
    public IEnumerable<IndexFact> ReadFacts() => FactFrames.Read(file, header);

    /// <exception cref="JournalDamagedException">A page that is needed does not verify.</exception>
    public override void Find(uint disk, Extent range, List<LayerRun> into, int most = int.MaxValue)
    {
        if (range.IsEmpty || most <= 0 || !directory.TryFind(disk, range.Offset, range.End, out var page, out var end)) return;
        do
        {
            var bytes = RunPage(page);
            var count = IndexPage.Count(bytes);
            for (var i = RunEntry.FirstEndingAfter(bytes, count, range.Offset, directory.Guess(page, count, range.Offset)); i < count; i++)
            {
                var run = RunEntry.Read(bytes, i);
                if (run.Start >= range.End) return;
                into.Add(run);
                if (--most == 0) return;
            }
        }
        while (++page < end && directory.Start(page) < range.End);
    }

    /// <exception cref="JournalDamagedException">A page that is needed does not verify.</exception>
    public override RecordRef NewestAt(in LayerRun run, ulong point)
    {
        if (run.Versions > 0 && run.Newest <= point) return Version(run, run.Versions - 1);
        int low = 0, high = run.Versions;
        byte[]? bytes = null;
        var at = -1L;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            var (page, entry) = Math.DivRem(run.Token + middle, ReferenceEntry.PerPage);
            if (page != at) (bytes, at) = (ReferencePage(page), page);
            if (ReferenceEntry.Number(bytes, (int)entry) <= point) low = middle + 1;
            else high = middle;
        }

        if (low == 0) throw new JournalDamagedException(file.Path, -1, $"the run {run} has no version at or before {point}");
        return Version(run, low - 1);
    }

    /// <exception cref="JournalDamagedException">A page that is needed does not verify.</exception>
    public override RecordRef Version(in LayerRun run, int i)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)i, (uint)run.Versions);
        var version = Reference(run, run.Token + i);
        if (!version.IsVersion) throw NotOf(run, version);
        return version;
    }

    /// <exception cref="JournalDamagedException">A page that is needed does not verify.</exception>
    public override RecordRef Undo(in LayerRun run)
    {
        if (!run.HasUndo) throw new ArgumentException($"{run} has no undo", nameof(run));
        var undo = Reference(run, run.Token + run.Versions);
        if (undo.IsVersion) throw NotOf(run, undo);
        return undo;
    }

    public void Dispose()
    {
        if (isScan) throw new InvalidOperationException($"{Path}: what a scan reads belongs to the file that it was made from");
        if (isDisposed) return;
        isDisposed = true;
        cache.Remove(pages, directory);
        cache.Release(reserved);
        file.Dispose();
    }

    /// <summary>Reads the filters, where there is room for them.</summary>
    private void ReadFilters()
    {
        if (cache.TryKeepFilter(directory, header.Filters.Bytes, directory.DropFilters)) directory.SetFilters(header.Filters.Read(file, "filters"));
    }

    private RecordRef Reference(in LayerRun run, long index)
    {
        var (page, entry) = Math.DivRem(index, ReferenceEntry.PerPage);
        var reference = ReferenceEntry.Read(ReferencePage(page), (int)entry);
        if (reference.Offset > run.Start || reference.Offset + reference.Length < run.End) throw NotOf(run, reference);
        return reference;
    }

    private byte[] RunPage(int page)
    {
        var place = runChunks[page];
        if (pages.Find(place) is { } cached) return cached;
        var bytes = ReadPage(place, IndexPageKind.Runs, RunEntry.Bytes);
        if (RunEntry.WhyNot(bytes, directory.DiskOf(page), directory.Start(page), directory.Limit(page), header.References) is { } problem) throw Damaged(place, problem);
        cache.Add(pages, place, bytes);
        return bytes;
    }

    private byte[] ReferencePage(long page)
    {
        var place = referenceChunks[page];
        if (pages.Find(place) is { } cached) return cached;
        var bytes = ReadPage(place, IndexPageKind.References, ReferenceEntry.Bytes);
        var expected = Math.Min(ReferenceEntry.PerPage, header.References - (page * ReferenceEntry.PerPage));
        if (IndexPage.Count(bytes) != expected) throw Damaged(place, $"a page of the index has {IndexPage.Count(bytes)} references and not {expected}");
        if (ReferenceEntry.WhyNot(bytes) is { } problem) throw Damaged(place, problem);
        cache.Add(pages, place, bytes);
        return bytes;
    }

    private byte[] ReadPage(uint place, IndexPageKind kind, int entryBytes)
    {
        var bytes = new byte[IndexLayout.PageBytes];
        if (file.Read(place * (long)IndexLayout.PageBytes, bytes) != bytes.Length) throw Damaged(place, "the index ends inside a page");
        return IndexPage.WhyNot(bytes, place, kind, entryBytes) is { } problem ? throw Damaged(place, problem) : bytes;
    }

    private List<CoveredSegment> ReadSegments()
    {
        var area = header.SegmentTable.Read(file, "segments");
        var segments = new List<CoveredSegment>();
        try
        {
            var reader = new MessagePackReader(area, header.SegmentTable.Offset);
            for (var i = 0; i < header.Segments; i++)
            {
                segments.Add(CoveredSegment.Read(ref reader));
                if (i > 0 && segments[i].Serial != segments[i - 1].Serial + 1) throw reader.Wrong("serial", $"{segments[i - 1].Serial + 1}", $"{segments[i].Serial}");
            }

            reader.ExpectEnd("segments");
            return segments;
        }
        catch (ProtocolException e)
        {
            throw new JournalDamagedException(file.Path, header.SegmentTable.Offset, $"the segments of the index do not parse: {e.Message}", e);
        }
    }

    private JournalDamagedException Damaged(uint place, string problem) => new(file.Path, place * (long)IndexLayout.PageBytes, problem);

    private JournalDamagedException NotOf(in LayerRun run, in RecordRef reference) => new(file.Path, -1, $"the run {run} is said to have {ReferenceEntry.Describe(reference)}");
}
