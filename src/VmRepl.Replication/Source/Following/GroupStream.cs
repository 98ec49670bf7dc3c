using VmRepl.Blocks;
using VmRepl.Journal.Points;
using VmRepl.Protocol.Records;

namespace VmRepl.Replication.Source.Following;

/// <summary>
/// The one order of a group: every change gets its sequence and time here, under one lock, and goes either to the replica or, where there is no link, no room, or older contents still to be brought over, stays
/// marked. What the replica acknowledges comes back here and takes its marks away. Does no I/O but the sequence's reservation; safe for concurrent use.
/// <para>
/// While anything is still to be brought over the stream is inside a baseline or a resync. The first change that finds no room begins a resync before anything later is stamped, so what lies between two points
/// is always whole.
/// </para>
/// </summary>
internal sealed partial class GroupStream(IReadOnlyList<FollowedDisk> disks, SequenceReserve sequences, TimeProvider time, uint epoch, FollowOptions options)
{
    private readonly Lock gate = new();
    private readonly StreamQueue queue = new();
    private readonly RecordStamp stamp = new(sequences, time, epoch, 0);
    private ulong lastResyncEnd;

    // Grows whenever a link is attached or given up: what was sent on another says nothing.
    private long links;

    // Whether what the replica has by this link ends within a baseline or a resync.
    private bool endsWithinResync = true;
    private (ulong Sequence, long TimeUs) newestPoint;

    // Why the link was given up on this side; told to whoever waits for something of it.
    private IOException? failure;

    /// <summary>How it stands; <see cref="StreamPhase.Following"/> as soon as the end of a resync is stamped.</summary>
    public StreamPhase Phase { get; private set; }

    /// <summary>Whether the replica has everything up to the end of the last resync, and follows.</summary>
    public bool IsInSync { get; private set; }

    /// <summary>Times that sync was lost.</summary>
    public long SyncLosses { get; private set; }

    /// <summary>Newest sequence known durable at the replica by this link.</summary>
    public ulong Durable { get; private set; }

    /// <summary>Newest point that the replica is known to have by this link, and its time, microseconds since 1970; 0 where none is.</summary>
    public (ulong Sequence, long TimeUs) NewestPoint
    {
        get
        {
            lock (gate) return newestPoint;
        }
    }

    /// <summary>Of the last loss of sync: no change stamped before this was missing at the replica then, microseconds since 1970.</summary>
    public long MissingSinceUs { get; private set; }

    /// <summary>Newest sequence stamped.</summary>
    public ulong Last => stamp.Last;

    /// <summary>Time of the newest record, microseconds since 1970.</summary>
    public long LastTimeUs => stamp.LastTimeUs;

    /// <summary>Bytes of records not yet durable at the replica.</summary>
    public long LagBytes => queue.HeldBytes;

    /// <summary>Bytes still to be brought over.</summary>
    public long ToCopyBytes
    {
        get
        {
            lock (gate) return disks.Sum(d => d.ToCopy.Bytes);
        }
    }

    /// <summary>When the oldest record that is not durable was stamped, microseconds since 1970; null where there is none.</summary>
    public long? OldestFlightUs
    {
        get
        {
            lock (gate) return queue.OldestUs;
        }
    }

    /// <summary>Times that a change found no room and was tracked instead.</summary>
    public long Overflows { get; private set; }

    /// <summary>Called under no lock when the replica is found in sync (null), and when it is no longer, with the reason.</summary>
    public Action<LossOfSync?>? InSyncChanged { get; set; }

    /// <summary>
    /// Gives a change its place and takes it for the replica, chunk by chunk, where that may be. The range is held and marked.
    /// </summary>
    /// <param name="payload">Of a write: the extent's contents, in <paramref name="memory"/>.</param>
    /// <param name="isAwaited">Whether somebody will wait for durability.</param>
    /// <param name="isReleased">Whether whoever sends is told of it now, and not by <see cref="Release"/>.</param>
    /// <returns>What <see cref="EndLocally"/> is to be told.</returns>
    public TakenChange Take(FollowedDisk disk, RecordKind kind, Extent extent, ReadOnlyMemory<byte> payload, RegionBuffer? memory, bool isAwaited, bool isReleased = true)
    {
        ulong last = 0;
        long link;
        TaskCompletionSource<bool>? durable = null;
        var isWhole = true;
        var lost = false;
        LossOfSync why;
        lock (gate)
        {
            link = links;
            foreach (var watch in disk.Watches) watch.IsTouched |= watch.Region.Overlaps(extent);
            if (Phase == StreamPhase.Alone) return new TakenChange(0, link, null);

            // As they are before this change: a part that finds no room joins them.
            var parts = disk.ToCopy.Overlaps(extent) ? disk.ToCopy.Runs(extent).ToList() : [(extent, false)];
            foreach (var (part, isToCopy) in CanStamp(parts.Count, ref lost) ? parts : [])
            {
                if (isToCopy) isWhole = false;
                else TakePart(part);
            }

            why = Phase == StreamPhase.Alone ? LossOfSync.LinkGivenUp : LossOfSync.BufferFull;
        }

        if (lost) InSyncChanged?.Invoke(why);
        // Where a part of it waits to be brought over, the durability of the rest says nothing.
        return new TakenChange(last, link, isWhole ? durable?.Task : null);

        void TakePart(Extent part)
        {
            var weight = 128 + (kind == RecordKind.Write ? part.Length + part.Length / 1024 : 0);
            if (queue.HeldBytes + weight > options.BufferBytes)
            {
                Overflows++;
                lost |= Track(disk, part);
                isWhole = false;
                return;
            }

            // Only the last part is waited for: acknowledgements are cumulative. Whoever waits goes on where the acknowledgement is taken, under no lock: another thread for each write would cost more than what there is to do.
            if (isAwaited) durable = new TaskCompletionSource<bool>();
            var content = kind == RecordKind.Write ? payload.Slice((int)(part.Offset - extent.Offset), (int)part.Length) : default;
            // Counted twice: until the replica has it, and until the local image has it. Whichever comes first leaves the mark.
            disk.Marks.TryBegin(part);
            Enqueue(new RecordDraft(kind, disk.Disk.Id, part.Offset, part.Length, content, Memory: memory), disk, part, weight, durable, isReleased: isReleased);
            last = Last;
        }
    }

    /// <summary>The change has ended on the local image. The range is still held.</summary>
    /// <param name="taken">What <see cref="Take"/> said; default where it failed.</param>
    /// <param name="isDone">Whether the image has it. Otherwise what it holds there is not known: the extent is brought over anew.</param>
    public void EndLocally(FollowedDisk disk, Extent extent, TakenChange taken, bool isDone)
    {
        var lost = false;
        LossOfSync why;
        lock (gate)
        {
            if (!isDone && Phase != StreamPhase.Alone && CanStamp(1, ref lost)) lost = Track(disk, extent);
            // Its acknowledgement may have come first. What was not sent is to be copied as long as the same link is there.
            var isAtReplica = isDone && taken.Last != 0 && taken.Link == links && taken.Last <= Durable && Phase != StreamPhase.Baseline;
            foreach (var (part, isToCopy) in disk.ToCopy.Runs(extent)) disk.Marks.End(part, clean: isAtReplica && !isToCopy);
            why = Phase == StreamPhase.Alone ? LossOfSync.LinkGivenUp : LossOfSync.LocalFailure;
        }

        if (lost) InSyncChanged?.Invoke(why);
    }

    /// <summary>Takes contents that were read from the disk; the region is held, and the drafts' sectors are marked once more. They leave <see cref="FollowedDisk.ToCopy"/>.</summary>
    /// <param name="region">Whole chunks, all of which the replica has when the drafts are there.</param>
    /// <returns>False where the link was given up meanwhile: nothing was taken.</returns>
    /// <exception cref="IOException">No sequence can be reserved: nothing was taken.</exception>
    public bool TakeCopy(FollowedDisk disk, Extent region, List<RecordDraft> drafts)
    {
        lock (gate)
        {
            if (Phase is StreamPhase.Alone or StreamPhase.Following) return false;
            sequences.Ensure(drafts.Count);
            foreach (var draft in drafts) Enqueue(draft, disk, new Extent(draft.Offset, draft.Length), draft.WeightBytes, null);
            disk.ToCopy.Remove(region);
            disk.ToCompare.Remove(region);
            return true;
        }
    }

    /// <summary>Takes a record that is no disk's: a bookmark, a value.</summary>
    /// <param name="isInSync">Whether it is taken only where every change before it is on its way or at the replica.</param>
    /// <returns>Its sequence and time, and its durability.</returns>
    /// <exception cref="InvalidOperationException">There is no link, or the replica is not in sync.</exception>
    /// <exception cref="IOException">No sequence can be reserved: it was not taken.</exception>
    public (ulong Sequence, long TimeUs, Task<bool> Durable) TakeFact(RecordDraft draft, bool isInSync = false)
    {
        lock (gate)
        {
            if (Phase == StreamPhase.Alone) throw new InvalidOperationException("there is no link");
            if (isInSync && (!IsInSync || Phase != StreamPhase.Following)) throw new InvalidOperationException("the replica is not in sync");
            var durable = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            Enqueue(draft, null, default, draft.WeightBytes, durable);
            return (Last, stamp.LastTimeUs, durable.Task);
        }
    }

    /// <summary>A link is there: what is marked is to be brought over, and changes elsewhere are sent from now on.</summary>
    /// <param name="durable">Newest sequence that the replica has.</param>
    /// <param name="timeUs">Behind which the times go on.</param>
    /// <exception cref="IOException">No sequence can be reserved: it is as it was.</exception>
    public void Attach(bool isBaseline, ulong durable, long timeUs)
    {
        lock (gate)
        {
            sequences.AdvanceTo(durable);
            sequences.Ensure(1);
            var gap = sequences.GapAfter(durable);
            links++;
            (Durable, lastResyncEnd, failure) = (durable, 0, null);
            (newestPoint, endsWithinResync) = (default, true);
            stamp.AdvanceTo(timeUs);
            Phase = isBaseline ? StreamPhase.Baseline : StreamPhase.Resync;
            foreach (var disk in disks) disk.CopyWhatIsMarked(isBaseline);
            if (!isBaseline) Enqueue(new RecordDraft(RecordKind.ResyncBegin, 0, 0, 0, default, gap), null, default, 128, null);
            copying.Set();
        }
    }

    /// <summary>Where nothing is left to be brought over: ends the baseline or resync.</summary>
    /// <param name="facts">Values that the replica does not have, taken before the end.</param>
    /// <exception cref="IOException">No sequence can be reserved: it goes on.</exception>
    public bool TryEnd(IReadOnlyList<RecordDraft> facts)
    {
        lock (gate)
        {
            if (Phase is not (StreamPhase.Baseline or StreamPhase.Resync) || disks.Any(d => d.ToCopy.Count > 0)) return false;
            sequences.Ensure(facts.Count + 1);
            // Once for each link; the values are the same until the next.
            foreach (var fact in facts) Enqueue(fact, null, default, fact.WeightBytes, null, isBaseline: false);
            Enqueue(new RecordDraft(RecordKind.ResyncEnd, 0, 0, 0, default, new Dictionary<string, string> { [RecordAttribute.Consistency] = RecoveryPoint.Crash }), null, default, 128, null, isBaseline: false);
            lastResyncEnd = Last;
            Phase = StreamPhase.Following;
            return true;
        }
    }

    /// <summary>The link is given up: what was sent and not acknowledged stays marked.</summary>
    public void Detach()
    {
        bool wasInSync;
        lock (gate) wasInSync = LeaveLink(null);
        if (wasInSync) InSyncChanged?.Invoke(LossOfSync.LinkGivenUp);
    }

    /// <summary>The replica has said how far it is.</summary>
    /// <param name="received">Newest sequence that it has in memory; 0 where it did not say.</param>
    public void Acknowledge(ulong received, ulong durable)
    {
        List<TaskCompletionSource<bool>>? done = null;
        var becameInSync = false;
        lock (gate)
        {
            if (Phase == StreamPhase.Alone) return;
            if (durable > Durable)
            {
                Durable = durable;
                // Before any mark is taken away by it: whoever has less than this later has lost something.
                foreach (var disk in disks) disk.Marks.DurableAtReplica = durable;
            }

            var hasMoved = false;
            while (queue.TryEnd(received, durable, out var flight))
            {
                hasMoved = true;
                flight.Disk?.EndAtReplica(flight.Extent, flight.IsBaseline);
                if (flight.Durable is { } awaited) (done ??= []).Add(awaited);
                if (flight.Bound != ResyncBound.None) endsWithinResync = flight.Bound == ResyncBound.Begin;
                if (!endsWithinResync) newestPoint = (flight.Sequence, flight.TimeUs);
                if (flight.Bound != ResyncBound.End) continue;
                if (Phase == StreamPhase.Following && flight.Sequence == lastResyncEnd) becameInSync = IsInSync = true;
                foreach (var disk in disks) disk.Settle();
            }

            if (hasMoved) room.Set();
            if (hasMoved && IsInSync)
            {
                foreach (var disk in disks) disk.Marks.DurableTimeUs = newestPoint.TimeUs;
            }

            // Marks that were made coarser outlive the writes that held them; at rest they say nothing any more.
            if (hasMoved && queue.IsAllThere && IsInSync)
            {
                foreach (var disk in disks.Where(d => d.ToCopy.Count == 0 && d.Marks.SegmentDirtyBytes > 0)) disk.Settle();
            }
        }

        foreach (var durableOne in done ?? []) durableOne.TrySetResult(true);
        if (becameInSync) InSyncChanged?.Invoke(null);
    }

    /// <summary>Runs under the lock of the stream.</summary>
    public T Under<T>(Func<T> look)
    {
        lock (gate) return look();
    }

    /// <summary>Whether so many records of the guest's, and the begin of a resync, can have their places. Otherwise the guest goes on without the replica: the link is given up.</summary>
    private bool CanStamp(int records, ref bool lost)
    {
        try
        {
            sequences.Ensure(records + 1);
            return true;
        }
        catch (IOException e)
        {
            lost |= LeaveLink(e);
            return false;
        }
    }

    /// <returns>Whether the replica was in sync before.</returns>
    private bool LeaveLink(IOException? reason)
    {
        var wasInSync = LoseSync(queue.OldestUs);
        Phase = StreamPhase.Alone;
        failure ??= reason;
        links++;
        var given = queue.Clear();
        foreach (var flight in given) flight.Disk?.Marks.End(flight.Extent, clean: false);
        _ = TellLostAsync(given);

        foreach (var disk in disks) disk.CopyNothing();
        room.Set();
        copying.Set();
        work.Set();
        return wasInSync;
    }

    private static async Task TellLostAsync(List<Flight> given)
    {
        // Not under the lock: whoever waits goes on where it is told.
        await Task.Yield();
        foreach (var flight in given) flight.Durable?.TrySetResult(false);
    }

    /// <returns>Whether the replica was in sync before.</returns>
    private bool Track(FollowedDisk disk, Extent extent)
    {
        var wasInSync = LoseSync(null);
        if (Phase == StreamPhase.Following)
        {
            Phase = StreamPhase.Resync;
            Enqueue(new RecordDraft(RecordKind.ResyncBegin, 0, 0, 0, default), null, default, 128, null);
            copying.Set();
        }

        disk.ToCopy.Add(extent);
        // Records of these chunks may still be on their way: a digest would be of contents that they change.
        disk.ToCompare.Remove(extent);
        return wasInSync;
    }

    /// <param name="oldestUs">When the oldest change that will not come over in order was stamped; null for now.</param>
    /// <returns>Whether it was in sync before.</returns>
    private bool LoseSync(long? oldestUs)
    {
        if (!IsInSync) return false;
        IsInSync = false;
        MissingSinceUs = oldestUs ?? time.NowUs();
        SyncLosses++;
        return true;
    }

    private void Enqueue(RecordDraft draft, FollowedDisk? disk, Extent marked, long weight, TaskCompletionSource<bool>? durable, bool? isBaseline = null, bool isReleased = true)
    {
        var record = stamp.Stamp(draft);
        var fills = isBaseline ?? Phase == StreamPhase.Baseline;
        var bound = draft.Kind switch { RecordKind.ResyncBegin => ResyncBound.Begin, RecordKind.ResyncEnd => ResyncBound.End, _ => ResyncBound.None };
        hasUntold |= queue.Add(new SentRecord(record, fills, draft.Memory), new Flight(Last, stamp.LastTimeUs, fills, disk, marked, weight, durable, bound));
        if (isReleased) Tell();
    }
}
