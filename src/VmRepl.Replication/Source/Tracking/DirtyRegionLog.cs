using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Replication.Source.Tracking;

/// <summary>
/// Where one disk may differ from one replica of it. Marks are kept by sector of 512 bytes; writes are counted, and marks cleared, by chunk of 4 KiB.
/// <para>A write: <see cref="TryBegin"/>; where that says no, <see cref="ActivateAsync"/>; only then the disk is written and the record sent; <see cref="End"/> when the local write has ended and the replica has acknowledged
/// the record, or was never sent it. At every moment each byte that differs is marked or in a write under way, and a write under way is marked.</para>
/// <para><c>NAME.marks</c> is mapped memory, so its marks outlive the process. <c>NAME.active</c> is the activity log, flushed before the first write into a segment of 4 MiB, so that after the host's end the
/// marks that reached the disk and the active segments together hold every difference. See docs/replication.md, Tracking.</para>
/// Safe for concurrent use; nobody may be inside when it is disposed.
/// </summary>
internal sealed class DirtyRegionLog : IDisposable
{
    // One lock for the disk: it is held for some 100 ns a write, and no I/O is done under it but the taking and giving back of pages.
    private readonly Lock gate;
    private readonly MarksLayout layout;
    private readonly DirtyLogOptions options;
    private readonly IHostMemory memory;
    private readonly ChunkCounters counters;
    private readonly RegionMarks marks;
    private readonly ActivityLog activity;

    // Begins of DeactivateIdleAsync: what was last touched before the newest that is old enough, rests.
    private readonly Queue<(uint Tick, long Timestamp)> ticks = new();
    private uint restedTick;
    private IOException? flushFailure;

    internal DirtyRegionLog(Lock gate, MarksLayout layout, DirtyLogOptions options, IHostMemory memory, ChunkCounters counters, RegionMarks marks, ActivityLog activity, AnchorLog anchors, LogStop openedAfter, string? wrong)
    {
        Anchors = anchors;
        this.gate = gate;
        this.layout = layout;
        this.options = options;
        this.memory = memory;
        this.counters = counters;
        this.marks = marks;
        this.activity = activity;
        OpenedAfter = openedAfter;
        Wrong = wrong;
    }

    /// <summary>How the life before this one ended, and so what the marks were worth when this was opened.</summary>
    public LogStop OpenedAfter { get; }

    /// <summary>What was wrong with the files, for <see cref="LogStop.Damaged"/>; a clause about the file, that names it.</summary>
    public string? Wrong { get; }

    /// <summary>What was written since moments that the replica has held. Disposed of with this.</summary>
    public AnchorLog Anchors { get; }

    /// <summary>Newest sequence known durable at the replica. To be set before a write ends that the replica acknowledged by it: a replica that knows of less than this has lost something that is no longer marked.</summary>
    public ulong DurableAtReplica
    {
        get => (ulong)ReadHeader(MarksHeader.DurableOffset);
        set => WriteHeader(MarksHeader.DurableOffset, (long)value);
    }

    /// <summary>When that sequence was stamped, microseconds since 1970, as far as the replica was in sync: then the moment is a point of it. 0 where none is known.</summary>
    public long DurableTimeUs
    {
        get => ReadHeader(MarksHeader.DurableTimeOffset);
        set => WriteHeader(MarksHeader.DurableTimeOffset, value);
    }

    /// <summary>When the newest write began, by the host's clock; null where none is known.</summary>
    public DateTimeOffset? LastBegun => ToTime(ReadHeader(MarksHeader.BegunOffset));

    /// <summary>When a write was last noted as ended on the disk (<see cref="NoteLocalEnd"/>); null where none is known.</summary>
    public DateTimeOffset? LastEnded => ToTime(ReadHeader(MarksHeader.EndedOffset));

    /// <summary>Bytes that are marked.</summary>
    public long DirtyBytes
    {
        get
        {
            lock (gate) return marks.SectorCount * MarksLayout.SectorBytes;
        }
    }

    /// <summary>Those of them that are marked only because their segment of 64 KiB is; the rest is known by sector.</summary>
    public long SegmentDirtyBytes
    {
        get
        {
            lock (gate) return marks.SegmentSectorCount * MarksLayout.SectorBytes;
        }
    }

    /// <summary>What would have to be compared beside the marks if the host went down now.</summary>
    public long ActiveBytes
    {
        get
        {
            lock (gate) return activity.Failure is null ? (long)activity.ActiveCount * ActivityFile.SegmentBytes : layout.DiskLength;
        }
    }

    /// <summary>Flushes for segments that became active, since this was opened.</summary>
    public long ActivationFlushCount
    {
        get
        {
            lock (gate) return activity.FlushCount;
        }
    }

    /// <summary>Bytes that this takes in the process, without its pages of the mapped file.</summary>
    public long MemoryBytes
    {
        get
        {
            lock (gate) return marks.MemoryBytes + activity.MemoryBytes;
        }
    }

    /// <summary>Pages of the mapped file that have marks by sector.</summary>
    public int ExactBucketCount
    {
        get
        {
            lock (gate) return marks.ExactCount;
        }
    }

    /// <summary>What failed, after which the host's end costs more: everything has to be compared then. The process's end costs no more than before. Null where nothing did.</summary>
    public IOException? Failure
    {
        get
        {
            lock (gate) return activity.Failure ?? marks.Failure ?? flushFailure;
        }
    }

    /// <summary>Opens the log of that name, and makes it where it is not there. Damage ends in everything being marked, and <see cref="OpenedAfter"/> says so.</summary>
    /// <param name="diskLength">Bytes; whole sectors.</param>
    /// <exception cref="IOException">The files cannot be written.</exception>
    public static DirtyRegionLog Open(IHostDirectory directory, string name, long diskLength, DirtyLogOptions options) => LogOpening.Open(directory, name, diskLength, options);

    /// <summary>Marks a range and counts a write of each of its chunks. No I/O but the taking of a page, once for 16 MiB; a flush of others' data may hold that up.</summary>
    /// <param name="extent">Whole sectors of the disk.</param>
    /// <returns>Whether the disk may be written at once; otherwise <see cref="ActivateAsync"/> has to come before. <see cref="End"/> is owed in either case.</returns>
    public bool TryBegin(Extent extent)
    {
        Check(extent);
        if (extent.IsEmpty) return true;
        var now = options.Time.GetUtcNow().UtcTicks;
        lock (gate)
        {
            marks.Begin(extent);
            WriteHeader(MarksHeader.BegunOffset, now);
            Anchors.Note(extent, now);
            return activity.Touch(extent);
        }
    }

    /// <summary>Makes a range that was begun one that may be written: durably noted. Many may wait for one flush.</summary>
    /// <exception cref="IOException">It is not noted, and the disk must not be written there; <see cref="End"/> is still owed.</exception>
    public ValueTask ActivateAsync(Extent extent)
    {
        Check(extent);
        return extent.IsEmpty ? ValueTask.CompletedTask : activity.ActivateAsync(extent);
    }

    /// <summary>Notes that a write of the disk itself has ended, with the time.</summary>
    public void NoteLocalEnd() => WriteHeader(MarksHeader.EndedOffset, options.Time.GetUtcNow().UtcTicks);

    /// <summary>Ends a write that <see cref="TryBegin"/> began: by then the local write has ended, too.</summary>
    /// <param name="clean">
    /// The replica has durably what the write's chunks hold: where it is the last one under way of a chunk, its marks go. Nothing is remembered of an earlier end that was not clean: as long as a chunk is still to be copied,
    /// no write of it may end clean.
    /// </param>
    /// <exception cref="InvalidOperationException">It did not begin.</exception>
    public void End(Extent extent, bool clean)
    {
        Check(extent);
        if (extent.IsEmpty) return;
        lock (gate) marks.End(extent, clean);
    }

    /// <summary>The marked parts of a range: whole sectors, or what is in it of segments where the marks collapsed.</summary>
    public ExtentSet Dirty(Extent window)
    {
        var dirty = new ExtentSet();
        lock (gate) marks.CopyTo(dirty, window);
        return dirty;
    }

    /// <summary>
    /// The range is the same at the replica, but for writes under way: clears the marks of whole chunks in it of which there are none. Where marks collapsed, of whole segments: ask by at least 64 KiB, aligned.
    /// </summary>
    public void Clear(Extent extent)
    {
        lock (gate) marks.Clear(extent);
    }

    /// <summary>
    /// The whole disk is the same at the replica, but for writes under way: the end of a baseline, or of a resync, which is also when collapsed buckets can become exact again. What is left, and
    /// <see cref="DurableAtReplica"/>, are on stable storage when this returns, unless <see cref="Failure"/> says why not.
    /// </summary>
    public void ClearSettled()
    {
        Clear(new Extent(0, layout.DiskLength));
        _ = TryFlush();
    }

    /// <summary>
    /// Marks the whole disk, by segments of 64 KiB. The marks are on stable storage when this returns, unless <see cref="Failure"/> says why not: no active segment stands for what nobody wrote, so a host that went down in
    /// the copying that follows would have forgotten them.
    /// </summary>
    public void MarkAll()
    {
        // What is not trusted may have changed where nothing was noted.
        Anchors.Clear();
        lock (gate) marks.AddAll();
        GiveBackPages();
        _ = TryFlush();
    }

    /// <summary>Marks what the replica has lost. Durable as <see cref="MarkAll"/> is.</summary>
    public void MarkAgain(ExtentSet lost)
    {
        lock (gate)
        {
            foreach (var extent in lost.Extents) marks.Add(extent);
        }

        _ = TryFlush();
    }

    /// <summary>
    /// The housekeeping: gives back pages that are no longer used, and takes segments that rest out of the activity log, so that the host's end costs less. To be called every few seconds, by one at a time. They are taken out after the disk and the marks are on stable storage, and only if nobody
    /// has begun a write in them meanwhile.
    /// </summary>
    /// <param name="flushDisk">Brings to stable storage what was written to the disk. What it throws comes out of here, and nothing was taken out.</param>
    /// <returns>How many segments.</returns>
    /// <exception cref="IOException">The log's file cannot be written, nor removed.</exception>
    public async ValueTask<int> DeactivateIdleAsync(Func<ValueTask> flushDisk)
    {
        GiveBackPages();
        List<int> resting;
        uint ended;
        lock (gate)
        {
            if ((flushFailure ?? marks.Failure) is not null || activity.ActiveCount == 0) return 0;
            var now = options.Time.GetTimestamp();
            while (ticks.TryPeek(out var oldest) && options.Time.GetElapsedTime(oldest.Timestamp, now) >= options.IdleFor) restedTick = ticks.Dequeue().Tick;
            ended = activity.Tick();
            ticks.Enqueue((ended, now));
            resting = activity.Resting(restedTick, options.ActiveMax, counters.Chunks.Select(c => (int)(c / (ActivityFile.SegmentBytes / MarksLayout.ChunkBytes))).ToHashSet());
        }

        if (resting.Count == 0) return 0;
        await flushDisk();
        return TryFlush() ? await activity.DeactivateAsync(resting, ended) : 0;
    }

    /// <summary>
    /// Notes a clean stop: the marks are exact whatever becomes of the host. Nobody writes any more, and what was written to the disk is on stable storage. Writes under way stay marked.
    /// To be disposed of afterwards, and not used.
    /// </summary>
    /// <returns>False where that cannot be noted: it is then as if the process had died.</returns>
    public bool CloseClean()
    {
        lock (gate)
        {
            if ((flushFailure ?? marks.Failure) is not null || !TryFlush()) return false;
            FlushAnchors();
            new MarksHeader(true, layout.DiskLength, options.BootId).WriteTo(memory.WritablePage(0));
            return TryFlush();
        }
    }

    /// <summary>Without <see cref="CloseClean"/> this is as if the process had died.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            activity.Dispose();
            Anchors.Dispose();
            memory.Dispose();
        }
    }

    private static DateTimeOffset? ToTime(long ticks) => ticks > 0 && ticks <= DateTimeOffset.MaxValue.UtcTicks ? new DateTimeOffset(ticks, TimeSpan.Zero) : null;

    private long ReadHeader(int offset)
    {
        lock (gate) return BinaryPrimitives.ReadInt64LittleEndian(memory.Page(0)[offset..]);
    }

    private void WriteHeader(int offset, long value)
    {
        lock (gate) BinaryPrimitives.WriteInt64LittleEndian(memory.WritablePage(0)[offset..], value);
    }

    private void GiveBackPages()
    {
        lock (gate)
        {
            if (!marks.TryBeginGivingBack()) return;
        }

        IOException? failure = null;
        try
        {
            memory.Flush(1, layout.SegmentPageCount);
        }
        catch (IOException cause)
        {
            failure = cause;
        }

        for (var goesOn = true; goesOn;)
        {
            lock (gate) goesOn = marks.GiveBack(failure);
        }
    }

    /// <summary>The marks count for themselves: without its anchors a replica that lost something is compared by digests.</summary>
    private void FlushAnchors()
    {
        try
        {
            Anchors.Flush();
        }
        catch (IOException)
        {
            Anchors.Clear();
        }
    }

    private bool TryFlush()
    {
        try
        {
            memory.Flush(0, memory.PageCount);
            return true;
        }
        catch (IOException cause)
        {
            lock (gate) flushFailure = cause;
            return false;
        }
    }

    private void Check(Extent extent)
    {
        if (extent.End > layout.DiskLength || ((extent.Offset | extent.Length) & (MarksLayout.SectorBytes - 1)) != 0)
            throw new ArgumentOutOfRangeException(nameof(extent), $"{extent} is not whole sectors of a disk of {layout.DiskLength} bytes");
    }
}
