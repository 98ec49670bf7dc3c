using VmRepl.Blocks.Files;

namespace VmRepl.Blocks.Scratch;

/// <summary>
/// A device that may be written over one that must not be: what is written, zeroed or punched goes to a sparse scratch file of the same length, and all else comes from the device below, which is only ever read.
/// Which part is where is kept in memory alone, so the layer lasts as long as this object; the file is of no use without it, and whoever made it removes it.
/// <para>
/// The unit of that knowledge is the 512-byte sector, and a larger power of two on disks so large that the map would not fit <c>mapBytesMax</c> (2 bits a unit: 128 GiB of disk at the default). A write of a part
/// of a unit brings the rest up from below. That changes no contents, so it disturbs nobody who reads the rest meanwhile: the device below holds the same bytes for good.
/// </para>
/// Reads are concurrent and run beside writes of other sectors; writes go one at a time. A write that fails leaves its own sectors old, new, or partly each, and no others changed.
/// </summary>
public sealed class ScratchDevice : IBlockDevice, IQuickZero
{
    /// <summary>Most bytes of memory of the map, where not said otherwise.</summary>
    public const int DefaultMapBytesMax = 64 << 20;

    private const int UnitsInByte = 4;

    // A map of any length is read in steps: the lock is not held for longer, and nothing long is kept.
    private const int RunsInStep = 1024;

    private readonly IBlockDevice below;
    private readonly IHostFile scratch;
    private readonly bool ownsBelow;
    private readonly Action? requireOpen;
    private readonly ScratchMap map;
    private readonly Lock mapGate = new();
    private readonly Lock writeGate = new();

    /// <param name="below">Is read for what was not written here; its contents must not change.</param>
    /// <param name="scratch">A new file, this device's from now on; closed with it.</param>
    /// <param name="ownsBelow">Whether <paramref name="below"/> is closed with this device too. Several layers may lie over one device.</param>
    /// <param name="requireOpen">Called before each request; what it throws ends the request.</param>
    /// <param name="mapBytesMax">Most bytes that the map may take in memory.</param>
    public ScratchDevice(IBlockDevice below, IHostFile scratch, bool ownsBelow, Action? requireOpen = null, long mapBytesMax = DefaultMapBytesMax)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(mapBytesMax, 1);
        this.below = below;
        this.scratch = scratch;
        this.ownsBelow = ownsBelow;
        this.requireOpen = requireOpen;
        UnitBytes = Sectors.Size;
        while (UnitCount > mapBytesMax * UnitsInByte) UnitBytes *= 2;
        map = new ScratchMap(UnitCount);
        scratch.SetLength(Length);
    }

    public long Length => below.Length;

    public int SectorSize => below.SectorSize;

    public bool IsReadOnly => false;

    /// <summary>Bytes of which the layer knows whether they are its own; a power of two.</summary>
    public long UnitBytes { get; }

    private long UnitCount => Sectors.AlignUp(Length, UnitBytes) / UnitBytes;

    public void Read(long offset, Span<byte> buffer)
    {
        requireOpen?.Invoke();
        foreach (var (part, state) in RunsOf(new Extent(offset, buffer.Length), int.MaxValue))
            ReadRun(part, state, buffer.Slice((int)(part.Offset - offset), (int)part.Length));
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        requireOpen?.Invoke();
        lock (writeGate)
        {
            while (data.Length > 0)
            {
                var part = NextPart(new Extent(offset, data.Length));
                WritePart(part, data[..(int)part.Length]);
                data = data[(int)part.Length..];
                offset = part.End;
            }
        }
    }

    public void Zero(long offset, long length) => Clear(new Extent(offset, length), ScratchState.Zero);

    public void Punch(long offset, long length) => Clear(new Extent(offset, length), ScratchState.Hole);

    /// <summary>Whole units are noted in the map and nothing is written.</summary>
    public bool IsZeroQuick(long offset, long length) => Sectors.IsAligned(offset, UnitBytes) && (Sectors.IsAligned(length, UnitBytes) || offset + length == Length);

    public bool IsPunchQuick(long offset, long length) => IsZeroQuick(offset, length);

    /// <summary>Flushes the scratch file. What it holds is of use to this object only.</summary>
    public void Flush()
    {
        requireOpen?.Invoke();
        scratch.Flush();
    }

    /// <summary>The layer's own parts have depth 0, those of the device below one more than there.</summary>
    public IEnumerable<MapExtent> Map(long offset, long length)
    {
        for (var left = new Extent(offset, length); !left.IsEmpty;)
        {
            requireOpen?.Invoke();
            var runs = RunsOf(left, RunsInStep);
            foreach (var (part, state) in runs)
            {
                if (state == ScratchState.Below)
                {
                    foreach (var run in below.Map(part.Offset, part.Length)) yield return run with { Depth = run.Depth + 1 };
                    continue;
                }

                yield return state switch
                {
                    ScratchState.Data => new MapExtent(part.Offset, part.Length, BlockState.Data, FileOffset: part.Offset),
                    ScratchState.Zero => new MapExtent(part.Offset, part.Length, BlockState.Zero),
                    _ => new MapExtent(part.Offset, part.Length, BlockState.Unallocated),
                };
            }

            left = Extent.FromEnds(runs[^1].Part.End, left.End);
        }
    }

    public void Dispose()
    {
        scratch.Dispose();
        if (ownsBelow) below.Dispose();
    }

    /// <summary>As many whole units as there are at the start of <paramref name="rest"/>, or the part of one unit that is there.</summary>
    private Extent NextPart(Extent rest)
    {
        var whole = Extent.FromEnds(Sectors.AlignUp(rest.Offset, UnitBytes), Math.Max(Sectors.AlignUp(rest.Offset, UnitBytes), EndOfWholeUnits(rest.End)));
        if (whole.Offset == rest.Offset && !whole.IsEmpty) return whole;
        return rest.Intersect(UnitAt(rest.Offset));
    }

    private long EndOfWholeUnits(long end) => end == Length ? end : Sectors.AlignDown(end, UnitBytes);

    /// <summary>The last unit of a disk may be shorter than the others.</summary>
    private Extent UnitAt(long offset) => Extent.FromEnds(Sectors.AlignDown(offset, UnitBytes), Math.Min(Length, Sectors.AlignDown(offset, UnitBytes) + UnitBytes));

    /// <summary>Writes whole units, or a part of one.</summary>
    private void WritePart(Extent part, ReadOnlySpan<byte> data)
    {
        var unit = UnitAt(part.Offset);
        var state = StateAt(unit.Offset);
        if (unit.Contains(part) && part.Length < unit.Length && state != ScratchState.Data)
        {
            using var whole = PooledBuffer.Rent((int)unit.Length);
            ReadRun(unit, state, whole.Span);
            data.CopyTo(whole.Span[(int)(part.Offset - unit.Offset)..]);
            scratch.Write(unit.Offset, whole.Span);
        }
        else
        {
            scratch.Write(part.Offset, data);
        }

        // Only now: whoever reads other sectors of the unit finds them below until they are here.
        SetState(part, ScratchState.Data);
    }

    private void Clear(Extent range, ScratchState cleared)
    {
        requireOpen?.Invoke();
        lock (writeGate)
        {
            while (!range.IsEmpty)
            {
                var part = NextPart(range);
                range = Extent.FromEnds(part.End, range.End);
                var unit = UnitAt(part.Offset);
                if (!unit.Contains(part) || part.Length == unit.Length)
                {
                    SetState(part, cleared);
                    // A volume that cannot keeps the space until the file goes; what it holds there is not read again.
                    scratch.TryPunch(part.Offset, part.Length);
                    continue;
                }

                // A part of a unit that reads as zeros already needs nothing.
                if (StateAt(unit.Offset) is ScratchState.Zero or ScratchState.Hole) continue;
                using var zeros = PooledBuffer.Rent((int)part.Length);
                zeros.Span.Clear();
                WritePart(part, zeros.Span);
            }
        }
    }

    private void ReadRun(Extent part, ScratchState state, Span<byte> target)
    {
        if (state == ScratchState.Below)
        {
            below.Read(part.Offset, target);
            return;
        }

        var read = state == ScratchState.Data ? scratch.Read(part.Offset, target) : 0;
        if (state == ScratchState.Data && read < target.Length) throw new IOException($"{scratch.Path} ends at {part.Offset + read}, before the scratch layer's {Length} bytes: somebody cut it");
        target[read..].Clear();
    }

    private List<(Extent Part, ScratchState State)> RunsOf(Extent range, int runsMax)
    {
        if (range.IsEmpty) return [];
        var first = range.Offset / UnitBytes;
        List<ScratchRun> runs;
        lock (mapGate) runs = map.Runs(first, ((range.End - 1) / UnitBytes) - first + 1, runsMax);
        return [.. runs.Select(r => (Extent.FromEnds(Math.Max(range.Offset, r.First * UnitBytes), Math.Min(range.End, r.End * UnitBytes)), r.State))];
    }

    private ScratchState StateAt(long offset)
    {
        lock (mapGate) return map[offset / UnitBytes];
    }

    private void SetState(Extent part, ScratchState state)
    {
        var first = part.Offset / UnitBytes;
        lock (mapGate) map.Set(first, ((part.End - 1) / UnitBytes) - first + 1, state);
    }
}
