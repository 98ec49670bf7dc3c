using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Limits;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Views;

/// <summary>
/// One disk of a group as of a point, read-only. It does not move, whatever is applied while it is open: records reach the index before the live image,
/// so sectors taken from the live image are looked up once more after the read, and what a record names by then is read from its undo instead.
/// The look is at a table of what was touched last, which costs no lock; the index is asked where that does not settle it.
/// While it is open the start of the recovery range cannot pass its point, until it gives way at a hard limit of the journal: then every read ends in a <see cref="ViewClosedException"/>, also one under way.
/// Safe for concurrent reads.
/// </summary>
public sealed class PointInTimeView : IBlockDevice
{
    private const int LiveInARowMax = 4;

    private readonly GroupJournal journal;
    private readonly uint disk;
    private readonly IBlockDevice live;
    private readonly RangeHold hold;
    private readonly ulong point;
    private readonly NewestTouches touches;
    private readonly ResolvedChunks resolved;

    // Blocks read one after the other that the live image held, up to the number at which the next one is supposed to be another. Whoever reads counts it, without a lock: it decides how fast a read is and nothing else.
    private int liveInARow;

    /// <param name="hold">Keeps the point within the range; its owner's to give back.</param>
    internal PointInTimeView(GroupJournal journal, uint disk, IBlockDevice live, RangeHold hold)
    {
        this.journal = journal;
        this.disk = disk;
        this.live = live;
        this.hold = hold;
        point = hold.Point;
        touches = journal.TouchesOf(disk);
        resolved = new ResolvedChunks(journal.PageCache, live.Length);
    }

    public long Length => live.Length;

    public int SectorSize => live.SectorSize;

    public bool IsReadOnly => true;

    /// <exception cref="JournalDamagedException">The contents do not verify.</exception>
    /// <exception cref="ViewClosedException">The view gave way.</exception>
    public void Read(long offset, Span<byte> buffer)
    {
        if (buffer.IsEmpty) return;
        // Three places that nothing has in the processor's caches, at once instead of one after the other.
        resolved.Blocks.Prefetch(offset);
        touches.Prefetch(offset);
        hold.ThrowIfClosed();
        ReadOpen(new Extent(offset, buffer.Length), buffer);
        // It is closed before the range's start moves, and what was read without a lock may be that of a later start.
        Volatile.ReadBarrier();
        hold.ThrowIfClosed();
    }

    private void ReadOpen(Extent range, Span<byte> buffer)
    {
        if (TryReadLiveAtOnce(range, buffer) || TryReadBlocks(range, buffer) || TryReadUntouched(range, buffer) || TryReadResolved(range, buffer)) return;
        var stamp = touches.Stamp(range);
        var fromLive = ReadSources(range, buffer, range.Offset, readLive: true);
#if SIMULATION_PLANTS
        if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.ViewWithoutSecondLook)) return;
#endif
        if (fromLive.Count == 0 || (stamp != NewestTouches.Unknown && stamp == touches.Stamp(range))) return;
        foreach (var part in fromLive) ReadSources(part, buffer, range.Offset, readLive: false);
    }

    public void Write(long offset, ReadOnlySpan<byte> data) => throw ReadOnly();

    public void Zero(long offset, long length) => throw ReadOnly();

    public void Punch(long offset, long length) => throw ReadOnly();

    public void Flush()
    {
    }

    public IEnumerable<MapExtent> Map(long offset, long length)
    {
        var range = new Extent(offset, length);
        var sources = journal.Resolve(disk, range, point, hold);
        try
        {
            foreach (var source in sources)
            {
                if (source.Record is { } record)
                {
                    yield return new MapExtent(source.Range.Offset, source.Range.Length, StateOf(record.Content));
                    continue;
                }

                foreach (var run in MapLive(source.Range)) yield return run;
            }
        }
        finally
        {
            journal.Release(sources);
        }
    }

    /// <summary>Gives back the memory of what was resolved; the view of the group keeps what it needs.</summary>
    public void Dispose() => resolved.Dispose();

    /// <summary>Whether it is known of each block of a range within one chunk where it lies, or did.</summary>
    internal bool KnowsBlocks(Extent range) => resolved.Blocks.TryFind(range.Offset / ResolvedChunks.ChunkBytes, journal.Retirements, out var words) && ResolvedBlocks.TryLook(words, range, out _, out _);

    /// <summary>Whether the next block is supposed to lie in the live image.</summary>
    internal bool SupposesLive => liveInARow == LiveInARowMax;

    /// <summary>Where nothing was touched in the recovery range, the live image holds it. Nothing is locked.</summary>
    private bool TryReadUntouched(Extent range, Span<byte> buffer)
    {
        if (!journal.IsUntouched(touches, range)) return false;
        live.Read(range.Offset, buffer);
#if SIMULATION_PLANTS
        if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.ViewWithoutSecondLook)) return true;
#endif
        // The read comes before the second look on every processor.
        Volatile.ReadBarrier();
        return journal.IsUntouched(touches, range);
    }

    /// <summary>
    /// Near the end of the range nearly every block lies in the live image too: it is read at once, and while the kernel copies it, memory has the time to bring what says whether that was right. What nobody touched
    /// by the look after the read, it was not touched before.
    /// </summary>
    private bool TryReadLiveAtOnce(Extent range, Span<byte> buffer)
    {
        if (!SupposesLive || !ResolvedBlocks.IsBlock(range)) return false;
        try
        {
            live.Read(range.Offset, buffer);
        }
        catch (IOException)
        {
            // The journal may have it still; where it has not, the next to read it says so.
            liveInARow = 0;
            return false;
        }

        var chunk = range.Offset / ResolvedChunks.ChunkBytes;
        var stamp = resolved.Blocks.StampOf(chunk);
        Volatile.ReadBarrier();
        var isRight = resolved.Blocks.TryFind(chunk, journal.Retirements, out var words) && ResolvedBlocks.IsInLive(words, range, buffer);
#if SIMULATION_PLANTS
        if (isRight && VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.ViewWithoutSecondLook)) return true;
#endif
        GC.KeepAlive(resolved);
        Volatile.ReadBarrier();
        isRight = isRight && stamp == touches.Stamp(range);
        if (!isRight) liveInARow = 0;
        return isRight;
    }

    /// <summary>
    /// Reads a range within one chunk of which the blocks are known, without a lock. Where all of it lies in the journal alone nothing is asked of what was touched: that can only change where a segment is retired.
    /// What the live image holds too is read from the journal once the region was touched.
    /// </summary>
    private bool TryReadBlocks(Extent range, Span<byte> buffer)
    {
        var chunk = range.Offset / ResolvedChunks.ChunkBytes;
        if ((range.End - 1) / ResolvedChunks.ChunkBytes != chunk) return false;
        var retirements = journal.Retirements;
        if (!resolved.Blocks.TryFind(chunk, retirements, out var words) || !ResolvedBlocks.TryLook(words, range, out var isLive, out var isInLive)) return false;
        // Taken before the blocks are read again.
        var stamp = isInLive ? resolved.Blocks.StampOf(chunk) : 0;
        var usesLive = isInLive && stamp == touches.Stamp(range);
        if (isLive && !usesLive) return false;
        if (ResolvedBlocks.IsBlock(range)) NoteLive(usesLive);
        try
        {
            if (!ResolvedBlocks.TryRead(words, range, buffer, usesLive ? live : null, resolved.Segments)) return false;
        }
        catch (Exception e) when (e is JournalDamagedException or IOException or ObjectDisposedException && !AreTrue())
        {
            // The segment was retired meanwhile, and its file may be another one already.
            return false;
        }
        finally
        {
            GC.KeepAlive(resolved);
        }

#if SIMULATION_PLANTS
        if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.ViewWithoutSecondLook)) return true;
#endif
        Volatile.ReadBarrier();
        return AreTrue();

        bool AreTrue() => retirements == journal.Retirements && (!usesLive || stamp == touches.Stamp(range));
    }

    /// <summary>Reads a range within one chunk as it was resolved before, without a lock: what was read counts only if neither a record nor a retirement came in between.</summary>
    private bool TryReadResolved(Extent range, Span<byte> buffer)
    {
        var chunk = range.Offset / ResolvedChunks.ChunkBytes;
        if ((range.End - 1) / ResolvedChunks.ChunkBytes != chunk) return false;
        if ((!resolved.TryFind(chunk, out var found) || !IsTrue(found, range)) && !TryResolve(chunk, out found)) return false;
        try
        {
            // What does not verify is read once more, with the segments held: that says what is damaged, if it is.
            if (!found.TryRead(range, buffer, live, resolved.Segments)) return false;
        }
        catch (Exception e) when (e is JournalDamagedException or IOException or ObjectDisposedException && !IsTrue(found, range))
        {
            // The segment was retired meanwhile, and its file may be another one already.
            return false;
        }

#if SIMULATION_PLANTS
        if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.ViewWithoutSecondLook)) return true;
#endif
        Volatile.ReadBarrier();
        return IsTrue(found, range);
    }

    private void NoteLive(bool isLive)
    {
        var inARow = isLive ? Math.Min(liveInARow + 1, LiveInARowMax) : 0;
        if (inARow != liveInARow) liveInARow = inARow;
    }

    /// <summary>Asks the index about a chunk, and about those beside it that are not known either.</summary>
    private bool TryResolve(long chunk, out ResolvedChunk found)
    {
        found = default;
        if (!resolved.IsWorthwhile(chunk)) return false;
        var (first, behind) = (chunk, chunk + 1);
        if (resolved.IsForNeighbours)
        {
            var stretch = Sectors.AlignDown(chunk, ResolvedChunks.NeighboursMax);
            var chunks = (Length + ResolvedChunks.ChunkBytes - 1) / ResolvedChunks.ChunkBytes;
            while (first > stretch && IsDue(first - 1)) first--;
            while (behind < Math.Min(stretch + ResolvedChunks.NeighboursMax, chunks) && IsDue(behind)) behind++;
        }

        var isFound = false;
        foreach (var made in journal.ResolveChunks(disk, Extent.FromEnds(first * ResolvedChunks.ChunkBytes, Math.Min(behind * ResolvedChunks.ChunkBytes, Length)), hold, resolved.Segments))
        {
            resolved.Keep(made);
            if (made.Chunk == chunk) (found, isFound) = (made, true);
        }

        return isFound;
    }

    private bool IsDue(long chunk)
    {
        var range = new Extent(chunk * ResolvedChunks.ChunkBytes, Sectors.Size);
        var areBlocksTrue = resolved.Blocks.TryFind(chunk, journal.Retirements, out _) && resolved.Blocks.StampOf(chunk) is not 0 and var stamp && stamp == touches.Stamp(range);
        return !areBlocksTrue && (!resolved.TryFind(chunk, out var known) || !IsTrue(known, range));
    }

    private bool IsTrue(ResolvedChunk chunk, Extent range) => chunk.Stamp == touches.Stamp(range) && chunk.Retirements == journal.Retirements;

    /// <summary>Fills the parts of <paramref name="range"/> from where they are; returns those taken, or due to be taken, from the live image.</summary>
    private List<Extent> ReadSources(Extent range, Span<byte> buffer, long origin, bool readLive)
    {
        var fromLive = new List<Extent>();
        var sources = journal.Resolve(disk, range, point, hold);
        try
        {
            foreach (var source in sources)
            {
                var target = buffer.Slice((int)(source.Range.Offset - origin), (int)source.Range.Length);
                if (source.Record is { } record)
                {
                    source.Segment!.Read(record, source.Range, target);
#if SIMULATION_PLANTS
                    ClearRestOfBlocks(source, sources, buffer, origin);
#endif
                    continue;
                }

                if (readLive) live.Read(source.Range.Offset, target);
                fromLive.Add(source.Range);
            }
        }
        finally
        {
            journal.Release(sources);
        }

        return fromLive;
    }

#if SIMULATION_PLANTS
    /// <summary>The newest record of a block of 4096 bytes is taken for all of it, also where it wrote a part: what older records wrote of the block is not looked for.</summary>
    private static void ClearRestOfBlocks(ContentSource newest, List<ContentSource> sources, Span<byte> buffer, long origin)
    {
        if (!VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.NewestForWholeBlock)) return;
        var blocks = Extent.FromEnds(Sectors.AlignDown(newest.Range.Offset, 4096), Sectors.AlignUp(newest.Range.End, 4096));
        foreach (var other in sources)
        {
            var part = other.Range.Intersect(blocks);
            if (part.IsEmpty || other.Record is not { IsVersion: true } older || older.Number >= newest.Record!.Value.Number) continue;
            buffer.Slice((int)(part.Offset - origin), (int)part.Length).Clear();
        }
    }

#endif
    /// <summary>The live image's map of a range, with a second look for what was touched meanwhile.</summary>
    private List<MapExtent> MapLive(Extent range)
    {
        var runs = live.Map(range.Offset, range.Length).ToList();
        var again = journal.Resolve(disk, range, point, hold);
        try
        {
            if (again is [{ Record: null }]) return runs;
            return
            [
                .. again.SelectMany(s => s.Record is { } record
                    ? [new MapExtent(s.Range.Offset, s.Range.Length, StateOf(record.Content))]
                    : runs.Select(r => (Run: r, Part: r.Extent.Intersect(s.Range))).Where(p => !p.Part.IsEmpty)
                        .Select(p => new MapExtent(p.Part.Offset, p.Part.Length, p.Run.State))),
            ];
        }
        finally
        {
            journal.Release(again);
        }
    }

    private static BlockState StateOf(RecordContent content) => content switch
    {
        RecordContent.Payload or RecordContent.Damaged => BlockState.Data,
        RecordContent.Zero => BlockState.Zero,
        _ => BlockState.Unallocated,
    };

    private static NotSupportedException ReadOnly() => new("a point-in-time view cannot be written");
}
