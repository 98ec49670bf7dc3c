using VmRepl.Blocks;
using VmRepl.Protocol.Records;

namespace VmRepl.Replication.Source.Following;

/// <summary>
/// Where a change of a group's disk is seen. It is carried out on the local image and handed to the stream, in an order that leaves no gap:
/// <code>
/// range taken                overlapping changes wait: both sides carry them out in one order
/// marked                     from here a crash leaves the sectors dirty; coarse marks are durable before either side changes
/// gate passed                where a clone is being made, once it has its place
/// stamped, on its way        or tracked: then it stays marked
/// in the local image, its tables included
/// range given back
/// answered                   at once, or when the replica has it
/// </code>
/// Marks go when the replica has acknowledged and the local image has it, never before.
/// </summary>
internal sealed class Splitter(GroupStream stream, AnswerRule answers, ChangesUnderWay changes, ChangeGate gate)
{
    /// <summary>Longest change that is carried out in one piece.</summary>
    public const int PieceBytes = 1 << 20;

    // A zero or punch brings no contents, but its marks and its undo are as long as it is.
    private const long EmptyPieceBytes = 4 << 20;

    /// <summary>Writes contents that lie in memory of the splitter's.</summary>
    /// <param name="contents">At least as long as <paramref name="extent"/> and at most <see cref="PieceBytes"/> and two sectors; the contents begin at the extent's place in its first sector. Released here.</param>
    /// <param name="isReleased">Whether it may be sent at once; otherwise <see cref="Release"/> is owed, before which it may not.</param>
    public async ValueTask WriteAsync(FollowedDisk disk, Extent extent, RegionBuffer contents, bool isReleased, CancellationToken cancellation)
    {
        var whole = Whole(disk, extent);
        var change = ChangeAsync(disk, RecordKind.Write, whole, contents, extent, isReleased);
        // What had to wait may be taken later than its release.
        var isLate = !change.IsCompleted;
        Task<bool>? atReplica;
        try
        {
            atReplica = await change;
        }
        finally
        {
            if (isLate) stream.Release();
        }

        await answers.WaitAsync(atReplica, cancellation);
    }

    /// <summary>What was written goes out.</summary>
    public void Release() => stream.Release();

    /// <summary>Zeroes or punches; sectors of which only a part is named are written.</summary>
    public async ValueTask EmptyAsync(FollowedDisk disk, RecordKind kind, Extent extent, CancellationToken cancellation)
    {
        Task<bool>? last = null;
        var (start, end) = (Math.Min(extent.End, Sectors.AlignUp(extent.Offset, Sectors.Size)), Math.Max(extent.Offset, Sectors.AlignDown(extent.End, Sectors.Size)));
        if (end <= start)
        {
            if (extent.IsEmpty) return;
            last = await ZeroPartAsync(extent) ?? last;
        }
        else
        {
            if (start > extent.Offset) last = await ZeroPartAsync(Extent.FromEnds(extent.Offset, start)) ?? last;
            for (var at = start; at < end; at += EmptyPieceBytes)
            {
                var piece = Extent.FromEnds(at, Math.Min(end, at + EmptyPieceBytes));
                last = await ChangeAsync(disk, kind, piece, null, piece) ?? last;
            }

            if (end < extent.End) last = await ZeroPartAsync(Extent.FromEnds(end, extent.End)) ?? last;
        }

        await answers.WaitAsync(last, cancellation);

        async ValueTask<Task<bool>?> ZeroPartAsync(Extent part)
        {
            var whole = Whole(disk, part);
            var contents = new RegionBuffer((int)whole.Length);
            contents.Memory.Span.Clear();
            return await ChangeAsync(disk, RecordKind.Write, whole, contents, part);
        }
    }

    /// <summary>Reads from a region what is to be copied and gives it its place in the order. The region is held, whole regions of the digest tree.</summary>
    /// <param name="wanted">Of a part that is to be copied, the sectors that have to be sent.</param>
    /// <param name="skipZeros">Whether the replica has nothing there, so that zeros need no saying.</param>
    /// <returns>False where the link was given up meanwhile.</returns>
    public bool Copy(FollowedDisk disk, Extent region, Func<Extent, IEnumerable<Extent>> wanted, bool skipZeros, FollowProgress progress)
    {
        var parts = stream.Under(() => disk.ToCopy.Runs(region).Where(r => r.IsIn).Select(r => r.Part).ToList());
#if SIMULATION_PLANTS
        if (Simulation.Plant.Is(Simulation.Plant.ClearBeforeRead)) parts.ForEach(disk.Marks.Clear);
#endif
        var drafts = new List<RecordDraft>();
        var buffers = new List<RegionBuffer>();
        try
        {
            foreach (var extent in parts.SelectMany(wanted))
            {
                var contents = new RegionBuffer((int)extent.Length);
                buffers.Add(contents);
                disk.Image.Read(extent.Offset, contents.Memory.Span);
                ContentDrafts.AddContents(drafts, disk.Disk.Id, extent, contents, 0, Zeros(disk, extent), skipZeros);
            }

            // Counted once more until the replica has it. The image is not written, so nothing has to be durable first.
            foreach (var draft in drafts) disk.Marks.TryBegin(new Extent(draft.Offset, draft.Length));
            var isTaken = false;
            try
            {
                isTaken = stream.TakeCopy(disk, region, drafts);
            }
            finally
            {
                if (!isTaken) drafts.ForEach(d => disk.Marks.End(new Extent(d.Offset, d.Length), clean: false));
            }

            if (isTaken) progress.Add(parts.Sum(p => p.Length), drafts.Sum(d => (long)d.Payload.Length));
            return isTaken;
        }
        finally
        {
            buffers.ForEach(b => b.Release());
        }
    }

    private static ExtentSet Zeros(FollowedDisk disk, Extent extent) => new(disk.Image.Map(extent.Offset, extent.Length).Where(r => r.State == BlockState.Zero).Select(r => r.Extent));

    private static Extent Whole(FollowedDisk disk, Extent extent) =>
        Extent.FromEnds(Sectors.AlignDown(extent.Offset, Sectors.Size), Math.Min(disk.Disk.Length, Sectors.AlignUp(extent.End, Sectors.Size)));

    /// <param name="whole">The change, on sectors.</param>
    /// <param name="contents">Of a write: as long as <paramref name="whole"/>.</param>
    /// <param name="named">The part of it that the guest named; the rest is read from the image.</param>
    private async ValueTask<Task<bool>?> ChangeAsync(FollowedDisk disk, RecordKind kind, Extent whole, RegionBuffer? contents, Extent named, bool isReleased = true)
    {
        var held = await disk.Ranges.EnterAsync(whole);
        // Before it is marked: whoever drains what was under way waits for it.
        var entered = changes.Enter();
        try
        {
            var data = contents is null ? default : contents.Memory[..(int)whole.Length];
            if (named != whole) ReadEdges(disk, whole, named, data.Span);
#if SIMULATION_PLANTS
            // Others come in between, as they do with many threads.
            await Simulation.Plant.Interleave();
            if (!Simulation.Plant.Is(Simulation.Plant.MarkAfterWrite))
#endif
            if (!disk.Marks.TryBegin(whole)) await ActivateAsync(disk, whole);
            var taken = default(TakenChange);
            var isDone = false;
            await gate.EnterAsync();
            try
            {
                taken = stream.Take(disk, kind, whole, data, contents, answers.Waits, isReleased);
#if SIMULATION_PLANTS
                await Simulation.Plant.Interleave();
#endif
                disk.Apply(kind, whole, data.Span);
#if SIMULATION_PLANTS
                await Simulation.Plant.Interleave();
                if (Simulation.Plant.Is(Simulation.Plant.MarkAfterWrite)) _ = disk.Marks.TryBegin(whole);
#endif
                disk.Marks.NoteLocalEnd();
                isDone = true;
                return taken.Durable;
            }
            finally
            {
                try
                {
                    stream.EndLocally(disk, whole, taken, isDone);
                }
                finally
                {
                    gate.Exit();
                }
            }
        }
        finally
        {
            changes.Exit(entered);
            disk.Ranges.Exit(held);
            contents?.Release();
        }
    }

    private static async ValueTask ActivateAsync(FollowedDisk disk, Extent extent)
    {
        try
        {
            await disk.Marks.ActivateAsync(extent);
        }
        catch
        {
            // Neither side was changed.
            disk.Marks.End(extent, clean: false);
            throw;
        }
    }

    private static void ReadEdges(FollowedDisk disk, Extent whole, Extent named, Span<byte> data)
    {
        var head = (int)(named.Offset - whole.Offset);
        if (head > 0) disk.Image.Read(whole.Offset, data[..head]);
        var tail = (int)(whole.End - named.End);
        if (tail > 0) disk.Image.Read(named.End, data[^tail..]);
    }
}
