using System.Buffers.Binary;
using VmRepl.Blocks.Files;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Journal.Index.Files;

/// <summary>
/// Writes an index file: runs in the order of disk and start, each with its versions from the oldest and then its undo; then facts; then <see cref="Finish"/>, a little at a time.
/// It has a spare name until all of it is durable, so that a crash leaves a whole file or one that is removed at the next opening. What it keeps in memory is counted in the cache's cap.
/// </summary>
internal sealed class IndexFileWriter : IDisposable
{
    // Of a page of runs: fence and filter, and what lists of them leave unused.
    private const int MemoryPerPage = 2 * (PageFilter.Bytes + 16);

    private readonly IHostDirectory directory;
    private readonly IHostFile file;
    private readonly IndexPageCache cache;
    private readonly CommitPlace first, end;
    private readonly PageStream runPages, referencePages;
    private readonly List<(uint Disk, long Start, byte Shift)> fences = [];
    private readonly List<ulong> filters = [];
    private readonly ulong[] filter = new ulong[PageFilter.Words];
    private FactWriter? facts;
    private uint nextPage = IndexLayout.HeaderBytes / IndexLayout.PageBytes;
    private long reserved;
    private bool isClosed;

    // The run that is being written, and the disk and end of the one before.
    private uint disk;
    private LayerRun run;
    private bool isInRun;
    private long runs, references;
    private ulong newest;

    private IndexFileWriter(IHostDirectory directory, CommitPlace first, CommitPlace end, IndexPageCache cache)
    {
        (this.directory, this.first, this.end, this.cache) = (directory, first, end, cache);
        var spare = IndexFileName.SpareOf(first, end);
        if (directory.FileExists(spare)) directory.Delete(spare);
        file = directory.Open(spare, HostFileAccess.CreateNew);
        runPages = new PageStream(file, Place, IndexPageKind.Runs, RunEntry.Bytes);
        referencePages = new PageStream(file, Place, IndexPageKind.References, ReferenceEntry.Bytes);
        Keep(2 * IndexLayout.PieceBytes);
    }

    /// <summary>The name that the file gets.</summary>
    public string Name => IndexFileName.Of(first, end);

    public static IndexFileWriter Create(IHostDirectory directory, CommitPlace first, CommitPlace end, IndexPageCache cache)
    {
        if (first >= end) throw new ArgumentException($"a layer from {first} to {end} covers nothing", nameof(end));
        return new IndexFileWriter(directory, first, end, cache);
    }

    /// <summary>Begins a run behind the one before.</summary>
    public void BeginRun(uint disk, long start, long end)
    {
        if (isInRun || start >= end || (runs > 0 && (disk < this.disk || (disk == this.disk && start < run.End))))
            throw new InvalidOperationException($"{file.Path}: run {start} to {end} of disk {disk} comes after run {run} of disk {this.disk}");
        if (runPages.PageIsFull || (runPages.Entries > 0 && disk != this.disk)) CloseRunPage();
        (this.disk, isInRun) = (disk, true);
        run = new LayerRun(start, end, 0, 0, 0, false, references);
    }

    /// <summary>Adds a version to the run, newer than the one before.</summary>
    public void AddVersion(in RecordRef version)
    {
        if (!isInRun || !version.IsVersion || version.Number <= run.Newest) throw Refused(version);
        AddReference(version);
        run = run with { Oldest = run.Oldest == 0 ? version.Number : run.Oldest, Newest = version.Number, Versions = run.Versions + 1 };
    }

    /// <summary>Ends the run, which has a version or an undo.</summary>
    public void EndRun(RecordRef? undo)
    {
        if (undo is { } given)
        {
            if (!isInRun || given.IsVersion) throw Refused(given);
            AddReference(given);
            run = run with { HasUndo = true };
        }

        if (!isInRun || (run.Versions == 0 && undo is null)) throw new InvalidOperationException($"{file.Path}: run {run} has no history");
        RunEntry.Write(runPages.Next(), disk, run);
        newest = Math.Max(newest, run.Newest);
        isInRun = false;
        runs++;
    }

    /// <summary>Ends the runs; facts follow.</summary>
    public void EndRuns()
    {
        CloseRunPage();
        runPages.Finish();
        referencePages.Finish();
        facts = new FactWriter(file, nextPage * (long)IndexLayout.PageBytes);
    }

    public void AddFact(IndexFact fact) => (facts ?? throw new InvalidOperationException($"{file.Path}: facts come after the runs")).Add(fact);

    /// <summary>
    /// Writes the rest and gives the file its name; each piece is a step. In the last the file and the directory are flushed.
    /// </summary>
    /// <param name="segments">Those covered, in order, without gaps.</param>
    /// <param name="start">Start of the recovery range that what was written counts for.</param>
    /// <param name="firstNeeded">Serial of the first segment that it speaks of.</param>
    public IEnumerable<int> Finish(IReadOnlyList<CoveredSegment> segments, ulong start, ulong firstNeeded)
    {
        if (facts is null) throw new InvalidOperationException($"{file.Path}: the runs have not been ended");
        facts.Finish();
        var at = facts.Offset + facts.Bytes;
        var areas = new List<IndexArea>();
        foreach (var write in new Func<AreaWriter, IEnumerable<int>>[]
                 {
                     a => WritePlaces(a, runPages.Chunks), a => WritePlaces(a, referencePages.Chunks), WriteFences, WriteFilters, a => WriteSegments(a, segments),
                 })
        {
            var writer = new AreaWriter(file, at);
            foreach (var piece in write(writer)) yield return piece;
            writer.Finish();
            areas.Add(writer.Area);
            at += writer.Area.Bytes;
            yield return 1;
        }

        new IndexHeader
        {
            FileBytes = at,
            First = first,
            End = end,
            Start = start,
            FirstNeeded = firstNeeded,
            NewestSequence = newest,
            Runs = runs,
            References = references,
            RunPages = runPages.Pages,
            Segments = segments.Count,
            FactFrames = facts.Frames,
            Facts = new IndexArea(facts.Offset, facts.Bytes, 0),
            RunChunks = areas[0],
            ReferenceChunks = areas[1],
            Fences = areas[2],
            Filters = areas[3],
            SegmentTable = areas[4],
        }.WriteTo(file);
        file.BeginWriteBack(0, at);
        yield return 1;
        file.Flush();
        Dispose();
        directory.Rename(IndexFileName.SpareOf(first, end), Name);
        directory.Flush();
    }

    /// <summary>Gives up: closes the file, which keeps its spare name, and gives the memory back. Nothing happens where the file has its name.</summary>
    public void Dispose()
    {
        if (isClosed) return;
        isClosed = true;
        cache.Release(reserved);
        facts?.Dispose();
        file.Dispose();
    }

    /// <summary>Gives up and removes what was written.</summary>
    public void Abandon()
    {
        if (isClosed) return;
        Dispose();
        directory.Delete(IndexFileName.SpareOf(first, end));
    }

    private static IEnumerable<int> WritePlaces(AreaWriter area, List<uint> chunks)
    {
        foreach (var chunk in chunks)
        {
            var isPiece = area.Next(IndexLayout.ChunkPlaceBytes, out var room);
            BinaryPrimitives.WriteUInt32LittleEndian(room, chunk);
            if (isPiece) yield return 1;
        }
    }

    private static IEnumerable<int> WriteSegments(AreaWriter area, IReadOnlyList<CoveredSegment> segments)
    {
        using var writer = new MessagePackWriter();
        foreach (var segment in segments)
        {
            writer.Reset();
            segment.WriteTo(writer);
            var isPiece = area.Next(writer.Length, out var room);
            writer.WrittenSpan.CopyTo(room);
            if (isPiece) yield return 1;
        }
    }

    private IEnumerable<int> WriteFences(AreaWriter area)
    {
        foreach (var (onDisk, start, shift) in fences)
        {
            var isPiece = area.Next(PageDirectory.FenceBytes, out var room);
            PageDirectory.WriteFence(room, onDisk, start, shift);
            if (isPiece) yield return 1;
        }
    }

    private IEnumerable<int> WriteFilters(AreaWriter area)
    {
        foreach (var word in filters)
        {
            var isPiece = area.Next(sizeof(ulong), out var room);
            BinaryPrimitives.WriteUInt64LittleEndian(room, word);
            if (isPiece) yield return 1;
        }
    }

    private void AddReference(in RecordRef reference)
    {
        if (!ReferenceEntry.CanBe(reference) || reference.Offset > run.Start || reference.Offset + reference.Length < run.End) throw Refused(reference);
        ReferenceEntry.Write(referencePages.Next(), reference);
        references++;
    }

    private void CloseRunPage()
    {
        if (runPages.Entries == 0) return;
        Array.Clear(filter);
        var shift = PageFilter.Build(runPages.Page, runPages.Entries, disk, filter);
        fences.Add((disk, RunEntry.Read(runPages.Page, 0).Start, (byte)shift));
        filters.AddRange(filter);
        Keep(MemoryPerPage);
        runPages.ClosePage();
    }

    private uint Place(int pages)
    {
        var place = nextPage;
        nextPage = checked(nextPage + (uint)pages);
        return place;
    }

    private void Keep(long bytes)
    {
        cache.Reserve(bytes);
        reserved += bytes;
    }

    private InvalidOperationException Refused(in RecordRef reference) => new($"{file.Path}: {ReferenceEntry.Describe(reference)} cannot be in run {run}");
}
