using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Index;
using VmRepl.Journal.Index.Files;
using VmRepl.Journal.Limits;
using VmRepl.Journal.Metadata;
using VmRepl.Journal.Points;
using VmRepl.Journal.Segments;
using VmRepl.Journal.Sharing;
using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal;

/// <summary>
/// The undo-augmented journal of one group together with the live images that it alone writes.
/// <para>States: open for writing, open for reading (a bare store directory), failed (a write did not end well: nothing more is taken until it is opened again).</para>
/// <para>Order of a commit, and what a crash in between leaves:
/// old contents are read, then undo and records are written and flushed in one commit (a crash: neither is there, the live image is untouched);
/// then they are acknowledged as durable; then the live images are written (a crash: redone from the last checkpoint, every value being absolute);
/// then, now and then, the live images are flushed and a checkpoint is written.</para>
/// <para>One writer at a time; reading of points, views and positions is safe beside it.</para>
/// </summary>
public sealed partial class GroupJournal : IDisposable
{
    private const int PieceBytesMax = 1 << 20;
    private const int SpareMax = 1;
    private const long RecordCost = 256;

    // Space is prepared while batches are no larger, bytes of payload.
    private const long PreparedBytesMax = 128 << 10;

    private readonly IHostDirectory directory;
    private readonly IReadOnlyDictionary<uint, IBlockDevice> live;
    private readonly JournalOptions options;
    private readonly TimeProvider time;
    private readonly ulong incarnation;
    private readonly bool isReadOnly;
    private readonly MessagePackWriter encoder = new(64 * 1024);

    // The writer's lock is taken first, the index's inside it. Views take only the latter, and never hold it over I/O.
    private readonly Lock writerGate = new();
    private readonly Lock indexGate = new();

    private readonly LayeredIndex index;
    private readonly IndexMemory memory;
    private readonly IndexUpkeep upkeep;
    private readonly Dictionary<uint, NewestTouches> touches;
    private readonly SegmentHandles handles = new();
    private readonly List<SegmentFile> segments = [];
    private readonly PointList points = new();

    // The newest record of a kind that is followed, in a resync or not: facts are kept with the one before them, so that points need no other record.
    private RecordMoment newestFollowed;
    private readonly MetadataIndex metadata = new();

    private readonly UndoCapture undo;
    private readonly ExtentSharing sharing;
    private readonly LiveImageWrites writes;

    // Most bytes of payload in a record that the journal makes itself.
    private readonly int pieceBytes;

    private JournalPosition position;

    // The start that a retirement under way will have. A view may not be opened before it any more.
    private ulong startDue;
    private uint lastChecksum;

    // Whether the last commit is a checkpoint and nothing else, which can be lost without harm.
    private bool endsInCheckpoint = true;
    private long appliedSinceCheckpoint;
    private Exception? failure;
    private bool isOpen;

    internal GroupJournal(IHostDirectory directory, IReadOnlyDictionary<uint, IBlockDevice> live, JournalOptions options, TimeProvider time, ulong incarnation, bool isReadOnly, IndexMemory memory)
    {
        if (options.SegmentBytes is < SegmentLayout.SegmentBytesMin or > SegmentLayout.SegmentBytesMax || !System.Numerics.BitOperations.IsPow2(options.SegmentBytes))
            throw new ArgumentOutOfRangeException(nameof(options), options.SegmentBytes, "a segment has a power of two from 1 MiB to 1 GiB");
        this.directory = directory;
        this.live = live;
        this.options = options;
        this.time = time;
        this.incarnation = incarnation;
        this.isReadOnly = isReadOnly;
        touches = live.ToDictionary(d => d.Key, d => new NewestTouches(d.Value.Length));
        this.memory = memory;
        index = new LayeredIndex();
        upkeep = new IndexUpkeep(directory, index, indexGate, memory, [.. live.Keys], Counters);
        pieceBytes = (int)Math.Min(PieceBytesMax, options.SegmentBytes / 4);
        sharing = new ExtentSharing(live, options, Counters);
        writes = new LiveImageWrites(live);
        undo = new UndoCapture(live, Untouched, pieceBytes, sharing);
        limits = new JournalLimits(options, isReadOnly ? 0 : JournalLimits.ReserveOf(options, directory.FreeBytes));
    }

    /// <summary>Whether a write did not end well, so that it has to be opened again.</summary>
    public bool IsFailed => Volatile.Read(ref failure) is not null;

    /// <summary>Whether it was opened for reading only.</summary>
    internal bool IsReadOnly => isReadOnly;

    public JournalPosition Position
    {
        get
        {
            lock (indexGate) return position;
        }
    }

    /// <summary>Whether a round has begun and not ended.</summary>
    public bool ResyncIsOpen
    {
        get
        {
            lock (indexGate) return points.ResyncIsOpen;
        }
    }

    /// <summary>
    /// Every point that a record made, and the start of the range where it is one, oldest first. A point with several bookmarks is listed once for each. Those of <see cref="Runs"/> come on top;
    /// where there is any point at all there is one here.
    /// </summary>
    public IReadOnlyList<RecoveryPoint> Points
    {
        get
        {
            lock (indexGate) return [.. points.All];
        }
    }

    /// <summary>The stretches in which every sequence is a point, oldest first.</summary>
    public IReadOnlyList<PointRun> Runs
    {
        get
        {
            lock (indexGate) return points.Runs;
        }
    }

    /// <summary>What stands for all points where each is meant: <see cref="Points"/>, and of each run the newest.</summary>
    internal IReadOnlyList<RecoveryPoint> PointsListed
    {
        get
        {
            lock (indexGate) return points.Listed();
        }
    }

    /// <summary>The newest point of all; null where there is none yet.</summary>
    public RecoveryPoint? NewestPoint
    {
        get
        {
            lock (indexGate) return points.Newest;
        }
    }

    /// <summary>Bytes that all segment files take; what was given back within them is not counted.</summary>
    public long SegmentBytes
    {
        get
        {
            lock (indexGate) return segments.Sum(s => s.HeldBytes);
        }
    }

    public JournalCounters Counters { get; } = new();

    /// <summary>Reads the journal and, for writing, brings the live images up to it.</summary>
    /// <param name="incarnation">Greater than at any earlier opening for writing.</param>
    /// <param name="memory">The store's memory for indexes.</param>
    /// <exception cref="JournalDamagedException">Something that has to be read does not verify.</exception>
    internal static GroupJournal Open(
        IHostDirectory directory, IReadOnlyDictionary<uint, IBlockDevice> live, JournalOptions options, TimeProvider time, ulong incarnation, bool isReadOnly, IndexMemory memory)
    {
        var journal = new GroupJournal(directory, live, options, time, incarnation, isReadOnly, memory);
        try
        {
            if (!journal.TryRecover(withFiles: true, out var whyUnfit))
            {
                journal.Dispose();
                journal = new GroupJournal(directory, live, options, time, incarnation, isReadOnly, memory);
                try
                {
                    journal.TryRecover(withFiles: false, out _);
                }
                catch (JournalDamagedException) when (whyUnfit is not null)
                {
                    // The files were right: what they speak of is damaged.
                    throw whyUnfit;
                }
            }

            journal.isOpen = true;
            return journal;
        }
        catch
        {
            journal.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Makes the records durable, in order, with the undo that they need, then applies them to the live images. On return everything is durable and applied.
    /// </summary>
    /// <param name="durable">Called as soon as everything is durable, before it is applied: the records may be acknowledged. It appends nothing itself.</param>
    /// <exception cref="JournalFullException">Nothing was written.</exception>
    /// <exception cref="ArgumentException">A record does not fit the group: unknown disk, outside of it, out of order.</exception>
    /// <exception cref="IOException">The journal is failed from now on.</exception>
    public void Append(IReadOnlyList<Record> records, Action? durable = null)
    {
        lock (writerGate)
        {
            ThrowIfUnusable();
            RecordAdmission.Check(records, position.Durable, live, points, options.SegmentBytes / 2);
            var started = time.GetTimestamp();
            try
            {
#if SIMULATION_PLANTS
                var early = VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.FirstTouchBeforeRetirement) ? CaptureEarly(records) : null;
                MakeRoom(records);
                undo.Begin();
                if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.OldContentsAfterWrite)) Apply(records);
                Commit(early ?? records.SelectMany(undo.Accompany));
#else
                MakeRoom(records);
                // First touch is asked about after the retirement: what has just left the range is untouched again.
                undo.Begin();
                Commit(records.SelectMany(undo.Accompany));
#endif
                durable?.Invoke();
                Apply(records);
                if (appliedSinceCheckpoint >= options.CheckpointBytes) WriteCheckpoint();
                if (records.Sum(r => (long)r.PayloadLength) <= PreparedBytesMax) segments[^1].PrepareAhead(bytes => directory.FreeBytes - bytes > limits.FreeBytesMin);
                KeepIndex(records.Count);
                rate.Observe(records.Sum(r => r.Header.Kind == RecordKind.Write ? r.Header.Length : 0), time.GetElapsedTime(started));
            }
            catch (Exception e) when (e is not JournalFullException)
            {
                // A writer that failed stays failed: what reached the disk is known again only after a recovery.
                failure = e;
                NoteDamagedIndex(e);
                throw;
            }
        }
    }

    /// <summary>Flushes the live images and notes it, so that a recovery need not redo what came before.</summary>
    public void Checkpoint()
    {
        lock (writerGate)
        {
            ThrowIfUnusable();
            if (Position is var p && p.Checkpoint == p.Applied) return;
            try
            {
                WriteCheckpoint();
            }
            catch (Exception e)
            {
                failure = e;
                throw;
            }
        }
    }

    /// <summary>The values of the group's keys as of <paramref name="point"/>.</summary>
    public IReadOnlyDictionary<string, byte[]> MetadataAt(ulong point)
    {
        List<(string Key, RecordRef Value, SegmentFile Segment)> values;
        lock (indexGate)
        {
            values = [.. metadata.Resolve(point).Select(v => (v.Key, v.Record.Ref, SegmentOf(v.Record.Ref)))];
            foreach (var value in values) value.Segment.AddReader();
        }

        try
        {
            return values.ToDictionary(v => v.Key, v => v.Segment.ReadPayload(v.Value));
        }
        finally
        {
            lock (indexGate)
            {
                foreach (var value in values) value.Segment.ReleaseReader();
            }
        }
    }

    /// <summary>
    /// Closes the files. A journal that is open for writing and has not failed is checkpointed first, so that the next opening redoes nothing and no commit with contents is the last,
    /// where damage could be taken for a torn end; and all of its index is brought into files, so that the next opening reads no records.
    /// </summary>
    public void Dispose()
    {
        lock (writerGate)
        {
            if (isOpen && !isReadOnly && failure is null)
            {
                try
                {
                    if (segments.Count > 0 && (position.Checkpoint != position.Applied || !endsInCheckpoint)) WriteCheckpoint();
                    FlushIndex();
                }
                catch (IOException e)
                {
                    // Costs the next opening some work and nothing else: everything acknowledged is in the journal.
                    failure = e;
                }
            }

            lock (indexGate)
            {
                upkeep.Close();
                memory.Forget(this);
                foreach (var segment in segments) segment.Dispose();
                segments.Clear();
            }

            RemoveDamagedIndex();

            encoder.Dispose();
            failure ??= new ObjectDisposedException(nameof(GroupJournal));
        }
    }

#if SIMULATION_PLANTS
    private List<Record> CaptureEarly(IReadOnlyList<Record> records)
    {
        undo.Begin();
        List<Record> early = [.. records.SelectMany(undo.Accompany)];
        undo.Keep();
        return early;
    }

#endif
    private void ThrowIfUnusable()
    {
        if (isReadOnly) throw new InvalidOperationException($"{directory.Path}: the journal is open for reading only");
        if (failure is not null) throw new IOException($"{directory.Path}: the journal took no more after a failed write; it has to be opened again", failure);
    }
}
