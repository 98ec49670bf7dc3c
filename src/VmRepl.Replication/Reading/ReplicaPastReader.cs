using VmRepl.Blocks;
using VmRepl.Journal;
using VmRepl.Journal.Store;
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
        [.. (await AskAsync<PointList>(new ListPoints(group), cancellation)).Points.Select(p => new RecoveryPoint(p.Sequence, p.TimeUs, p.Bookmark, p.Consistency))];

    public async Task<IPastView> OpenAsync(string group, string at, CancellationToken cancellation) => new View(this, await AskAsync<ViewOpened>(new OpenView(group, at), cancellation));

    public async Task<Journal.Scrub.ScrubReport> ScrubAsync(string group, Action<Journal.Scrub.ScrubProgress> progress, CancellationToken cancellation)
    {
        if (!welcome.Capabilities.Contains(Scrub.Capability)) throw new StoreException($"the replica ({welcome.Software}) cannot scrub", "Update it, or stop it and scrub its store with --store.");
        await turn.WaitAsync(cancellation);
        try
        {
            await connection.SendAsync(new Scrub(group), cancellation);
            while (true)
            {
                var answer = await connection.ReceiveAsync(cancellation);
                if (answer is not ScrubProgress now) return ScrubMessages.Read(Expect<ScrubReport>(answer));
                progress(new Journal.Scrub.ScrubProgress(now.TotalBytes, now.DoneBytes));
            }
        }
        finally
        {
            turn.Release();
        }
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

    /// <exception cref="StoreException">The replica has no such group or point.</exception>
    /// <exception cref="JournalDamagedException">The replica found damage.</exception>
    /// <exception cref="IOException">The connection ended, or the replica's storage failed.</exception>
    private async Task<T> AskAsync<T>(IMessage request, CancellationToken cancellation)
        where T : class, IMessage
    {
        await turn.WaitAsync(cancellation);
        try
        {
            await connection.SendAsync(request, cancellation);
            return Expect<T>(await connection.ReceiveAsync(cancellation));
        }
        finally
        {
            turn.Release();
        }
    }

    private T Expect<T>(IMessage? answer)
        where T : class, IMessage => answer switch
    {
        T expected => expected,
        Failure { Code: RefusalCode.Damaged } f => throw new JournalDamagedException(connection.Peer, -1, f.Message),
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

        public async ValueTask DisposeAsync() => await reader.AskAsync<Pong>(new CloseView(opened.View), CancellationToken.None);
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
