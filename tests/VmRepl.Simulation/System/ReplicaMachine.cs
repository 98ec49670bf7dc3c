using VmRepl.Simulation.Workload;
using Microsoft.Extensions.Logging;
using VmRepl.Journal;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Connections;
using VmRepl.Replication.Replica;
using VmRepl.Simulation.Storage;

namespace VmRepl.Simulation.System;

/// <summary>The replica's host: a volume, and while it is up a store and its site.</summary>
internal sealed class ReplicaMachine(SimulatedTime time, SeededRandom random, SimulatedNetwork network, ILogger log)
{
    public const long RoomyBytes = 1L << 30;
    private const string StoreName = "store";

    private byte[][] contents = [];
    private CancellationTokenSource life = new();
    private ReplicaStore? store;

    public SimulatedVolume Volume { get; private set; } = new(random.Next64(), RoomyBytes);

    public bool IsUp => store is not null && !Volume.IsDown;

    /// <summary>Whether it was up and nobody has yet said that it is down.</summary>
    public bool WasUp => store is not null;

    /// <summary>The group's store; null where the machine is down, or the group is not there or cannot be opened.</summary>
    public GroupStore? Group => IsUp && store!.Groups is [var group, ..] ? group : null;

    public long CreditBytes { get; set; } = 64 << 20;

    /// <summary>Comes up; recovery may go down again.</summary>
    /// <exception cref="SimulatedCrashException">It did.</exception>
    public void Start()
    {
        Volume.Restart();
        life = new CancellationTokenSource();
        store = ReplicaStore.OpenForWriting(Volume.Directory(StoreName), Settings());
        Volume.FlushRoot();
        if (store.Faults.Values.FirstOrDefault() is IOException full) throw full;
        if (store.Faults.Count > 0) throw new SimulationFailureException($"the replica's group cannot be opened: {store.Faults.First().Value.Message}");
        var site = new ReplicaSite(store, new ReplicaOptions { CreditBytes = CreditBytes }, time, log);
        var token = life.Token;
        network.Listener = transport => _ = ServeAsync(site, transport, token);
    }

    /// <summary>Goes down, if it is not down already.</summary>
    public void Crash(CrashKind kind)
    {
        network.Listener = null;
        if (!Volume.IsDown) Volume.Crash(kind);
        store = null;
        network.LoseMachine(isSource: false);
        life.Cancel();
    }

    /// <summary>A copy of the volume as its files are at this moment.</summary>
    public SimulatedVolume CopyVolume()
    {
        var copy = new SimulatedVolume(random.Next64(), RoomyBytes);
        CopyTree(Volume.Directory(StoreName), copy.Directory(StoreName));
        copy.FlushRoot();
        return copy;
    }

    /// <summary>Puts another volume in the place of this one's; the machine is down.</summary>
    public void Restore(SimulatedVolume volume) => Volume = volume;

    /// <summary>Contents of a point's disks, in the order of their ids; valid until something is read again.</summary>
    public byte[][] Read(GroupStore group, Journal.Points.RecoveryPoint point)
    {
        using var view = group.OpenView(point);
        return ReadAll(view.Disks);
    }

    /// <summary>Contents of the live images; valid until something is read again.</summary>
    public byte[][] ReadLive(GroupStore group) => ReadAll(group.Live);

    private byte[][] ReadAll<T>(IReadOnlyDictionary<uint, T> disks) where T : Blocks.IBlockDevice
    {
        var ordered = disks.OrderBy(d => d.Key).Select(d => d.Value).ToList();
        // Whole disks, some hundred times in a world: new memory each time cost more than the reading.
        if (contents.Length != ordered.Count || contents.Where((c, i) => c.Length != ordered[i].Length).Any()) contents = [.. ordered.Select(d => new byte[d.Length])];
        for (var i = 0; i < contents.Length; i++) ordered[i].Read(0, contents[i]);
        return contents;
    }

    private static void CopyTree(SimulatedDirectory from, SimulatedDirectory to)
    {
        to.Create();
        foreach (var name in from.ListFiles())
        {
            using var file = to.Open(name, Blocks.Files.HostFileAccess.CreateNew);
            var contents = from.Contents(name);
            file.SetLength(contents.Length);
            for (var at = 0; at < contents.Length; at += SimulatedPage.Bytes)
            {
                var page = contents.AsSpan(at, Math.Min(SimulatedPage.Bytes, contents.Length - at));
                if (page.ContainsAnyExcept((byte)0)) file.Write(at, page);
            }

            file.Flush();
        }

        foreach (var name in from.ListDirectories()) CopyTree((SimulatedDirectory)from.Directory(name), (SimulatedDirectory)to.Directory(name));
        to.Flush();
    }

    private static async Task ServeAsync(ReplicaSite site, SimulatedTransport transport, CancellationToken cancellation)
    {
        await Task.Yield();
        await using var connection = new FramedConnection(transport);
        try
        {
            await site.ServeAsync(connection, null, cancellation);
        }
        catch (Exception e) when (e is SimulatedCrashException or OperationCanceledException or ObjectDisposedException)
        {
            // The machine is down; whoever brings it up looks at what is left.
        }
    }

    private StoreSettings Settings() => new()
    {
        NewGuid = NewGuid,
        Time = time,
        Journal = new JournalOptions { SegmentBytes = 4 << 20, CapacityBytes = 256L << 20, CheckpointBytes = random.Between(1, 16) << 18, FreeBytesMin = 0, NewNonce = random.Next64 },
        IndexMemoryBytes = 1 << 20,
    };

    private Guid NewGuid()
    {
        var bytes = new byte[16];
        random.Fill(bytes);
        return new Guid(bytes);
    }
}
