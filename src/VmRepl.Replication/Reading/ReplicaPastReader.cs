using VmRepl.Blocks;
using VmRepl.Journal;
using VmRepl.Journal.Rewind;
using VmRepl.Journal.Store;
using VmRepl.Journal.Views;
using VmRepl.Protocol;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using RecoveryPoint = VmRepl.Journal.Points.RecoveryPoint;

namespace VmRepl.Replication.Reading;

/// <summary>Reads the points of a running replica over a connection. Requests go one at a time; the devices that it opens may be read concurrently.</summary>
public sealed class ReplicaPastReader : IPastReader
{
    private readonly FramedConnection connection;
    private readonly Welcome welcome;
    private readonly SemaphoreSlim turn = new(1, 1);

    // A request was given up between its sending and its answer: what comes next would be taken for the answer to something else.
    private bool isOutOfStep;

    private ReplicaPastReader(FramedConnection connection, Welcome welcome)
    {
        this.connection = connection;
        this.welcome = welcome;
    }

    /// <summary>Greets the replica on a fresh connection, which this reader then owns.</summary>
    /// <exception cref="RefusedException">The replica will not have us.</exception>
    public static async Task<ReplicaPastReader> OpenAsync(FramedConnection connection, CancellationToken cancellation)
    {
        try
        {
            var welcome = await Handshake.GreetAsync(connection, new Hello(ProtocolVersion.Oldest, ProtocolVersion.Current, Software.Capabilities, Guid.Empty, Software.Name, Hello.ReadOnly), cancellation);
            return new ReplicaPastReader(connection, welcome);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    public async Task<IReadOnlyList<RecoveryPoint>> PointsAsync(string group, CancellationToken cancellation) =>
        [.. (await AskAsync<PointList>(new ListPoints(group), cancellation)).Points.Select(Point)];

    public async Task<RecoveryRange> RangeAsync(string group, CancellationToken cancellation)
    {
        var list = await AskAsync<PointList>(new ListPoints(group), cancellation);
        return new RecoveryRange(
            [.. list.Points.Select(p => new PointCost(Point(p), p.RewindBytes ?? 0, p.RewindMs / 1000.0))],
            [.. list.Runs.Select(r => new Journal.Points.PointRun(r.FirstSequence, r.FirstTimeUs, r.LastSequence, r.LastTimeUs))]);
    }

    public async Task<IReadOnlyList<StoredClone>> ClonesAsync(string group, CancellationToken cancellation)
    {
        if (!welcome.Capabilities.Contains(ListClones.Capability)) throw new StoreException($"the replica ({welcome.Software}) knows nothing of clones", "Update it.");
        var list = await AskAsync<CloneList>(new ListClones(group), cancellation);
        return [.. list.Clones.Select(c => new StoredClone(c.Group, c.CloneOf.Owner, c.CloneOf.Disk, c.CloneOf.Base, c.CloneOf.Name, DateTimeOffset.UnixEpoch.AddTicks(c.CloneOf.TimeUs * TimeSpan.TicksPerMicrosecond), c.Point, c.Length))];
    }

    /// <summary>Takes the group's live images to a point and waits until that is durable. It goes on when this reader goes away.</summary>
    /// <param name="at">"latest", a bookmark, a sequence or a time.</param>
    /// <param name="progress">Is told how many bytes there are and how many are back.</param>
    /// <exception cref="ReplicationException">The replica refused, since the group is in use or the replica knows no rewinds.</exception>
    /// <exception cref="StoreException">There is no such point, or no room.</exception>
    public async Task<RewindResult> RewindAsync(string group, string at, Action<long, long>? progress, CancellationToken cancellation)
    {
        if (!welcome.Capabilities.Contains(Software.Rewind)) throw new ReplicationException(group, $"group {group}: the replica {connection.Peer} is of a release without rewinds", "Update it.");
        var done = await AskAsync<Rewound>(new RewindGroup(group, at), cancellation, p =>
        {
            if (p is RewindProgress step) progress?.Invoke(step.TotalBytes, step.DoneBytes);
        });
        return new RewindResult(Point(done.Made), Point(done.Target), done.Bytes);
    }

    /// <summary>Has the replica serve the group as of a point until it is detached, also when this reader is gone.</summary>
    /// <param name="leased">It ends with this reader at the latest.</param>
    /// <exception cref="StoreException">There is no such point, or the replica serves nothing.</exception>
    public Task<Attached> AttachAsync(string group, string at, bool writable, bool leased, CancellationToken cancellation) => AskAsync<Attached>(Able(new AttachGroup(group, at, writable, leased)), cancellation);

    /// <summary>Has the replica keep how a test failover went.</summary>
    public Task NoteTestAsync(string group, FailoverTest test, CancellationToken cancellation) => AskAsync<Pong>(Able(new NoteTest(group, test)), cancellation);

    /// <summary>The test failovers of the group that the replica knows of, oldest first.</summary>
    public async Task<IReadOnlyList<FailoverTest>> TestsAsync(string group, CancellationToken cancellation) => (await AskAsync<TestList>(Able(new ListTests(group)), cancellation)).Tests;

    /// <summary>What is attached of the group, oldest first.</summary>
    public async Task<IReadOnlyList<Attached>> AttachmentsAsync(string group, CancellationToken cancellation) => (await AskAsync<AttachmentList>(Able(new ListAttachments(group)), cancellation)).Attachments;

    /// <summary>Ends attachments.</summary>
    /// <param name="progress">Total and done bytes, where something is kept.</param>
    public Task<Detached> DetachAsync(DetachGroup request, Action<long, long>? progress, CancellationToken cancellation) =>
        AskAsync<Detached>(Able(request), cancellation, p =>
        {
            if (p is DetachProgress step) progress?.Invoke(step.TotalBytes, step.DoneBytes);
        });

    private T Able<T>(T request) => welcome.Capabilities.Contains(AttachGroup.Capability) ? request : throw new StoreException($"the replica ({welcome.Software}) serves no block devices", "Update it.");

    public async Task<IPastView> OpenAsync(string group, string at, CancellationToken cancellation) => new View(this, await AskAsync<ViewOpened>(new OpenView(group, at), cancellation));

    public async Task<Journal.Scrub.ScrubReport> ScrubAsync(string group, long bytesPerSecond, Action<Journal.Scrub.ScrubProgress> progress, CancellationToken cancellation)
    {
        if (!welcome.Capabilities.Contains(Scrub.Capability)) throw new StoreException($"the replica ({welcome.Software}) cannot scrub", "Update it, or stop it and scrub its store with --store.");
        await turn.WaitAsync(cancellation);
        try
        {
            if (isOutOfStep) throw new ConnectionLostException(connection.Peer, "an earlier request was given up; open another connection");
            isOutOfStep = true;
            var request = new Scrub(group, bytesPerSecond);
            await connection.SendAsync(request, cancellation);
            while (true)
            {
                var answer = await connection.ReceiveAsync(cancellation);
                if (answer is not ScrubProgress now)
                {
                    isOutOfStep = false;
                    return ScrubMessages.Read(Expect<ScrubReport>(answer, request));
                }

                progress(new Journal.Scrub.ScrubProgress(now.TotalBytes, now.DoneBytes));
            }
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>What is known of the group's last scrub; null where the replica is of a release that does not say.</summary>
    public async Task<ScrubCoverage?> ScrubCoverageAsync(string group, CancellationToken cancellation)
    {
        if (!welcome.Capabilities.Contains(AskScrubState.Capability)) return null;
        var state = await AskAsync<ScrubState>(new AskScrubState(group), cancellation);
        return new ScrubCoverage(state.FinishedUs is { } finished ? DateTimeOffset.UnixEpoch.AddTicks(Math.Min(finished, long.MaxValue / 100) * TimeSpan.TicksPerMicrosecond) : null,
            state.FinishedUs is { } then ? TimeSpan.FromMicroseconds(Math.Clamp(state.NowUs - then, 0, (long)TimeSpan.MaxValue.TotalMicroseconds / 2)) : null, state.RegionsVerified, state.RegionsTotal, state.DamageCount)
        {
            Points = state.NewestPoint == 0 ? null : new PointBounds(state.OldestPointUs, state.NewestPoint, state.NewestPointUs),
        };
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await connection.SendAsync(new Bye());
        }
        catch (IOException)
        {
            // It is going anyway.
        }

        await connection.DisposeAsync();
    }

    /// <exception cref="RefusedException">The certificate does not allow the group.</exception>
    /// <exception cref="StoreException">The replica has no such group or point.</exception>
    /// <exception cref="JournalDamagedException">The replica found damage.</exception>
    /// <exception cref="ViewClosedException">The view that was asked gave way at a hard limit.</exception>
    /// <exception cref="IOException">The connection ended, or the replica's storage failed.</exception>
    private async Task<T> AskAsync<T>(IMessage request, CancellationToken cancellation, Action<IMessage>? progress = null)
        where T : class, IMessage
    {
        await turn.WaitAsync(cancellation);
        try
        {
            if (isOutOfStep) throw new ConnectionLostException(connection.Peer, "an earlier request was given up; open another connection");
            isOutOfStep = true;
            await connection.SendAsync(request, cancellation);
            var reply = await connection.ReceiveAsync(cancellation);
            for (; reply is RewindProgress or DetachProgress && progress is not null; reply = await connection.ReceiveAsync(cancellation)) progress(reply);
            isOutOfStep = false;
            return Expect<T>(reply, request);
        }
        finally
        {
            turn.Release();
        }
    }

    private static RecoveryPoint Point(Protocol.Messages.RecoveryPoint point) => new(point.Sequence, point.TimeUs, point.Bookmark, point.Consistency);

    private T Expect<T>(IMessage? answer, IMessage request)
        where T : class, IMessage => answer switch
        {
            T expected => expected,
            Failure { Code: RefusalCode.Damaged } f => throw new JournalDamagedException(connection.Peer, -1, f.Message),
            Failure { Code: RefusalCode.ViewClosed } f => throw new ViewClosedException(f.Message, f.Hint),
            Failure { Code: RefusalCode.NotAllowed } f => throw new RefusedException(connection.Peer, f),
            Failure { Code: RefusalCode.Busy } f when request is RewindGroup rewind => throw new ReplicationException(rewind.Group, f.Message, f.Hint, isRefusal: true),
            Failure f => throw new StoreException(f.Message, f.Hint),
            null => throw new ConnectionLostException(connection.Peer, "the replica closed it"),
            var other => throw new ProtocolException("answer", 0, typeof(T).Name, other.Type.ToString()),
        };

    private sealed class View(ReplicaPastReader reader, ViewOpened opened) : IPastView
    {
        public RecoveryPoint Point { get; } = new(opened.Sequence, opened.TimeUs, opened.Bookmark, RecoveryPoint.Crash);

        public IReadOnlyList<DiskDescription> Disks { get; } = [.. opened.Disks.Select(d => new DiskDescription(d.Id, d.Name, d.Length, d.SectorSize, d.Format))];

        public IReadOnlyDictionary<string, byte[]> Metadata { get; } = opened.Metadata.ToDictionary(m => m.Key, m => m.Value);

        public IBlockDevice Open(DiskDescription disk) => new Device(reader, opened.View, disk);

        public async ValueTask DisposeAsync()
        {
            try
            {
                await reader.AskAsync<Pong>(new CloseView(opened.View), CancellationToken.None);
            }
            catch (Exception e) when (e is IOException or ProtocolException or StoreException or ViewClosedException)
            {
                // The replica closes what was open when the connection ends; whatever broke it is told where it broke.
            }
        }
    }

    /// <summary>A disk of a view. Block devices are synchronous and the connection is not: the caller's thread waits, which is what a command has it for.</summary>
    private sealed class Device(ReplicaPastReader reader, uint view, DiskDescription disk) : IBlockDevice
    {
        private const int ReadBytesMax = 4 << 20;

        public long Length => disk.Length;

        public int SectorSize => disk.SectorSize;

        public bool IsReadOnly => true;

        public void Read(long offset, Span<byte> buffer)
        {
            for (var done = 0; done < buffer.Length;)
            {
                var length = Math.Min(ReadBytesMax, buffer.Length - done);
                var contents = reader.AskAsync<ViewContents>(new ReadView(view, disk.Id, offset + done, length), CancellationToken.None).GetAwaiter().GetResult();
                if (contents.Payload.Length != length || Crc32C.Compute(contents.Payload.Span) != contents.Checksum)
                    throw new ProtocolException("view contents", offset + done, $"{length} bytes that match their checksum", "others");
                contents.Payload.Span.CopyTo(buffer[done..]);
                done += length;
            }
        }

        public IEnumerable<MapExtent> Map(long offset, long length)
        {
            var end = offset + length;
            while (offset < end)
            {
                var map = reader.AskAsync<ViewMap>(new MapView(view, disk.Id, offset, end - offset), CancellationToken.None).GetAwaiter().GetResult();
                var before = offset;
                foreach (var extent in map.Extents)
                {
                    if (extent.Offset != offset || extent.Length > end - offset) throw new ProtocolException("view map", extent.Offset, $"an extent at {offset}", $"one at {extent.Offset} of {extent.Length} bytes");
                    yield return new MapExtent(extent.Offset, extent.Length, extent.State);
                    offset += extent.Length;
                }

                if (offset == before) throw new ProtocolException("view map", offset, "at least one extent", "none");
            }
        }

        public void Write(long offset, ReadOnlySpan<byte> data) => throw ReadOnly();

        public void Zero(long offset, long length) => throw ReadOnly();

        public void Punch(long offset, long length) => throw ReadOnly();

        public void Flush()
        {
        }

        public void Dispose()
        {
        }

        private static NotSupportedException ReadOnly() => new("a view of the past cannot be written");
    }
}
