using System.Runtime.InteropServices;
using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Index.Files;
using VmRepl.Journal.Limits;
using VmRepl.Journal.Segments;
using VmRepl.Journal.Views;

namespace VmRepl.Journal;

/// <content>What the index is asked by those who read and write, and how its layers go to files.</content>
public sealed partial class GroupJournal
{
    // A region with more runs than this is looked up again each time it is asked about.
    private const int RegionRunsMax = 512;

    // Of what an append gives to the upkeep of the index: an entry is copied about once for its first file and once for each factor of eight.
    private const int StepsMin = 32;
    private const int StepsPerRecord = 24;

    // Name of an index file in which something did not verify.
    private string? damagedIndex;

    // The start of the recovery range, for those who do not wait for the index's lock.
    private ulong startNow;

    // Number of retirements so far: what was resolved before the newest of them may point to a segment that is gone.
    private long retirements;

    /// <summary>Bytes read from this group's segments, and from the index files of all groups of the store, since it was opened. A read of the live images is not counted.</summary>
    public long BytesRead => handles.BytesRead + memory.Cache.BytesRead;

    /// <summary>Bytes of memory that the indexes of all groups of the store take.</summary>
    public long IndexMemoryBytes => memory.Cache.UsedBytes;

    /// <summary>Where each part of a range is to be read as of a point. The segments named stay readable until <see cref="Release(List{ContentSource})"/>.</summary>
    /// <param name="hold">What keeps the point within the range, where that may give way.</param>
    /// <exception cref="Views.ViewClosedException">It gave way.</exception>
    internal List<ContentSource> Resolve(uint disk, Extent range, ulong point, Limits.RangeHold? hold = null)
    {
        lock (indexGate)
        {
            hold?.ThrowIfClosed();
            var sources = Find(disk, range, point);
            for (var i = 0; i < sources.Count; i++)
            {
                if (sources[i].Record is not { } record) continue;
                var segment = SegmentOf(record);
                segment.AddReader();
                sources[i] = sources[i] with { Segment = segment };
            }

            return sources;
        }
    }

    internal void Release(List<ContentSource> sources)
    {
        lock (indexGate)
        {
            foreach (var source in sources) source.Segment?.ReleaseReader();
        }
    }

    /// <summary>
    /// Whether nothing of the range was touched in the recovery range, so that the live image holds it as of every point; false may mean that it is not known. Waits for nothing.
    /// What was touched before a point and not since lies in the live image as well; it is read there only by those who know its checksum (<see cref="ResolveChunks"/>), since a live image that nobody brought up may be older.
    /// </summary>
    internal bool IsUntouched(NewestTouches touchesOfDisk, Extent range) => touchesOfDisk.IsUntouchedAfter(range, Volatile.Read(ref startNow));

    /// <summary>
    /// What touched a disk last. The newest sequence that touched the regions of a range is <see cref="NewestTouches.Unknown"/> where it is not known; unchanged, it means that nothing touched them. Waits for nothing.
    /// </summary>
    internal NewestTouches TouchesOf(uint disk) => touches[disk];

    internal long Retirements => Volatile.Read(ref retirements);

    /// <summary>The store's pages of index files, and what is reserved beside them.</summary>
    internal IndexPageCache PageCache => memory.Cache;

    /// <summary>As <see cref="Resolve"/> for chunks of the disk, with nothing held: each may be read as long as its stamp and the number of retirements stay. Those of which the stamp is not known are left out.</summary>
    /// <param name="range">From the beginning of a chunk to the end of one, or of the disk.</param>
    /// <param name="hold">What keeps the point in the range.</param>
    /// <exception cref="ViewClosedException">It gave way, and its point may be before the range's start by now.</exception>
    internal List<ResolvedChunk> ResolveChunks(uint disk, Extent range, RangeHold hold, ResolvedSegments numbers)
    {
        var chunks = new List<ResolvedChunk>();
        lock (indexGate)
        {
            hold.ThrowIfClosed();
            LearnTouches(disk, range);
            var point = hold.Point;
            var sources = Find(disk, range, point);
            // A replica that nobody brought up, or is behind, has an older live image.
            var isApplied = position.Applied >= point;
            var ofChunk = new List<ContentSource>();
            var i = 0;
            for (var at = range.Offset; at < range.End; at += ResolvedChunks.ChunkBytes)
            {
                var whole = Extent.FromEnds(at, Math.Min(at + ResolvedChunks.ChunkBytes, range.End));
                ofChunk.Clear();
                for (; i < sources.Count && sources[i].Range.Offset < whole.End; i++)
                {
                    ofChunk.Add(sources[i] with { Range = sources[i].Range.Intersect(whole), Segment = sources[i].Record is { } record ? SegmentOf(record) : null, IsTouchedAfter = sources[i].IsTouchedAfter || !isApplied });
                    // It goes on in the next chunk.
                    if (sources[i].Range.End > whole.End) break;
                }

                var stamp = touches[disk].Stamp(whole);
                if (stamp == NewestTouches.Unknown) continue;
                if (ResolvedChunk.TryCreate(at / ResolvedChunks.ChunkBytes, stamp, retirements, CollectionsMarshal.AsSpan(ofChunk), numbers) is { } chunk) chunks.Add(chunk);
            }
        }

        return chunks;
    }

    /// <summary>The parts of a range that no record of the recovery range touches.</summary>
    private List<Extent> Untouched(uint disk, Extent range)
    {
        lock (indexGate)
        {
            LearnTouches(disk, range);
            return touches[disk].IsUntouchedAfter(range, position.Start) ? [range] : index.Untouched(disk, range);
        }
    }

    private List<ContentSource> Find(uint disk, Extent range, ulong point)
    {
        try
        {
            return index.Resolve(disk, range, point);
        }
        catch (JournalDamagedException e)
        {
            NoteDamagedIndex(e);
            throw;
        }
    }

    /// <summary>Under the index lock: finds out about regions of which nothing is known since the journal was opened.</summary>
    private void LearnTouches(uint disk, Extent range)
    {
        foreach (var (region, extent) in touches[disk].UnknownIn(range))
        {
            if (index.NewestIn(disk, extent, RegionRunsMax) is { } newest) touches[disk].Learn(region, newest);
        }
    }

    /// <summary>Under the index lock: the segment that a record of the index stands in.</summary>
    private SegmentFile SegmentOf(in RecordRef record) => segments[(int)(record.Serial - segments[0].Serial)];

    /// <summary>After an append: freezes the growing layer where it is due, and goes on with what becomes of frozen ones. No retirement is under way, so no hand-down waits for the start to move.</summary>
    /// <param name="records">How many were appended.</param>
    private void KeepIndex(int records)
    {
        bool isDue;
        lock (indexGate) isDue = memory.Report(this, index.MemoryBytes + touches.Values.Sum(t => t.Bytes), index.Growing.Bytes);
        if (isDue || (index.Growing.FirstSegment is { } begun && segments[^1].Serial > begun)) FreezeIndex(segments);
        upkeep.Step(StepsMin + (records * StepsPerRecord * (1 + upkeep.Waiting)), Bounds);
    }

    /// <summary>The growing layer becomes one that waits for its file.</summary>
    private void FreezeIndex(IReadOnlyList<SegmentFile> present)
    {
        MemoryLayer? frozen;
        lock (indexGate) frozen = index.Freeze();
        if (frozen is null) return;
        var covered = present.Where(s => s.Serial >= frozen.First.Serial && s.Serial <= frozen.End.Serial);
        upkeep.Add(frozen, [.. covered.Select(s => new CoveredSegment(s.Header, s.CommitCount, s.RecordsEnd, s.PayloadStart, s.LastChecksum, s.LastSequence, s.LastTimeUs, s.Incarnation))]);
    }

    /// <summary>Brings all of the index into files.</summary>
    private void FlushIndex()
    {
        if (segments.Count == 0) return;
        FreezeIndex(segments);
        upkeep.Flush(Bounds);
    }

    private MergeBounds Bounds => new(position.Start, segments[0].Serial);

    /// <summary>An index file that is damaged is only a copy: it goes when the journal is closed, and the next opening reads the records instead.</summary>
    private void NoteDamagedIndex(Exception fault)
    {
        if (fault is JournalDamagedException damage && IndexFileName.TryParse(Path.GetFileName(damage.Path), out _, out _)) damagedIndex = Path.GetFileName(damage.Path);
    }

    private void RemoveDamagedIndex()
    {
        if (damagedIndex is not { } name || isReadOnly) return;
        try
        {
            directory.Delete(name);
        }
        catch (IOException)
        {
            // It is met again, and said again.
        }
    }
}
