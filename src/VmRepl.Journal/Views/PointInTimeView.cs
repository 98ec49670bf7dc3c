using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Views;

/// <summary>
/// One disk of a group as of a point, read-only. It does not move, whatever is applied while it is open: records reach the index before the live image,
/// so sectors taken from the live image are looked up once more after the read, and what a record names by then is read from its undo instead.
/// While it is open the start of the recovery range cannot pass its point. Safe for concurrent reads.
/// </summary>
public sealed class PointInTimeView : IBlockDevice
{
    private readonly GroupJournal journal;
    private readonly uint disk;
    private readonly IBlockDevice live;
    private readonly ulong point;

    /// <exception cref="ArgumentOutOfRangeException">The point is outside the range.</exception>
    internal PointInTimeView(GroupJournal journal, uint disk, IBlockDevice live, ulong point)
    {
        this.journal = journal;
        this.disk = disk;
        this.live = live;
        this.point = point;
        journal.Pin(this, point);
    }

    public long Length => live.Length;

    public int SectorSize => live.SectorSize;

    public bool IsReadOnly => true;

    /// <exception cref="JournalDamagedException">The contents do not verify.</exception>
    public void Read(long offset, Span<byte> buffer)
    {
        if (buffer.IsEmpty) return;
        var range = new Extent(offset, buffer.Length);
        var fromLive = ReadSources(range, buffer, range.Offset, readLive: true);
#if SIMULATION_PLANTS
        if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.ViewWithoutSecondLook)) return;
#endif
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
        var sources = journal.Resolve(disk, range, point);
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

    public void Dispose() => journal.Unpin(this);

    /// <summary>Fills the parts of <paramref name="range"/> from where they are; returns those taken, or due to be taken, from the live image.</summary>
    private List<Extent> ReadSources(Extent range, Span<byte> buffer, long origin, bool readLive)
    {
        var fromLive = new List<Extent>();
        var sources = journal.Resolve(disk, range, point);
        try
        {
            foreach (var source in sources)
            {
                var target = buffer.Slice((int)(source.Range.Offset - origin), (int)source.Range.Length);
                if (source.Record is { } record)
                {
                    record.Read(source.Range, target);
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
            if (part.IsEmpty || other.Record is null || other.Record.Sequence >= newest.Record!.Sequence) continue;
            buffer.Slice((int)(part.Offset - origin), (int)part.Length).Clear();
        }
    }

#endif
    /// <summary>The live image's map of a range, with a second look for what was touched meanwhile.</summary>
    private List<MapExtent> MapLive(Extent range)
    {
        var runs = live.Map(range.Offset, range.Length).ToList();
        var again = journal.Resolve(disk, range, point);
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
        RecordContent.Payload => BlockState.Data,
        RecordContent.Zero => BlockState.Zero,
        _ => BlockState.Unallocated,
    };

    private static NotSupportedException ReadOnly() => new("a point-in-time view cannot be written");
}
