using VmRepl.Blocks.Files;
using VmRepl.Journal;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Security;
using VmRepl.Replication.Replica;
using VmRepl.Replication.Replica.Seeds;

namespace VmRepl.Replication.Tests.Stage;

/// <summary>A replica in this process: a store in a directory, and whoever connects is served.</summary>
internal sealed class ReplicaHost : IAsyncDisposable
{
    private readonly Lock gate = new();
    private readonly SeedDirectories? seeds;
    private readonly List<Task> serving = [];
    private CancellationTokenSource stopping = new();

    public ReplicaHost(IHostDirectory directory, ReplicaOptions? options = null, JournalOptions? journal = null, SeedDirectories? seeds = null)
    {
        this.seeds = seeds;
        if (journal is not null) StoreSettings = Settings with { Journal = journal };
        Options = options ?? new ReplicaOptions();
        Open(directory);
    }

    public ReplicaOptions Options { get; }

    /// <summary>What the replica logged as an error.</summary>
    public RecordingLog Log { get; } = new();

    public ReplicaStore Store { get; private set; } = null!;

    public ReplicaSite Site { get; private set; } = null!;

    /// <summary>What a session threw at its host, which would log it as a fault of ours.</summary>
    public List<Exception> Faults { get; } = [];

    /// <summary>Whether connections are taken; one that is not is closed at once.</summary>
    public bool IsUp { get; set; } = true;

    public static StoreSettings Settings { get; } = new() { NewGuid = Guid.NewGuid, Journal = new JournalOptions { SegmentBytes = 4 << 20 } };

    /// <summary>What the store is opened with, now and by <see cref="Open"/>.</summary>
    public StoreSettings StoreSettings { get; set; } = Settings;

    public void Accept(ITransport transport) => Accept(transport, null);

    public void Accept(ITransport transport, PeerIdentity? identity)
    {
        lock (gate) serving.Add(IsUp ? ServeAsync(Site, transport, identity, stopping.Token) : transport.DisposeAsync().AsTask());
    }

    /// <summary>Ends every session, as a process that is stopped does.</summary>
    public async Task StopAsync()
    {
        IsUp = false;
        await stopping.CancelAsync();
        Task[] all;
        lock (gate)
        {
            all = [.. serving];
            serving.Clear();
        }

        await Task.WhenAll(all);
    }

    /// <summary>Goes on with what is in <paramref name="directory"/>; the old store must have been stopped.</summary>
    public void Open(IHostDirectory directory)
    {
        stopping = new CancellationTokenSource();
        Store = ReplicaStore.OpenForWriting(directory, StoreSettings);
        Site = new ReplicaSite(Store, Options, TimeProvider.System, Log) { Seeds = seeds };
        IsUp = true;
    }

    /// <summary>Waits until every session that was served has ended.</summary>
    public async Task DrainAsync()
    {
        Task[] all;
        lock (gate)
        {
            all = [.. serving];
            serving.Clear();
        }

        await Task.WhenAll(all).WaitAsync(TimeSpan.FromSeconds(10));
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        Store.Dispose();
        stopping.Dispose();
        Assert.That(Faults, Is.Empty, "a session threw at its host");
    }

    private async Task ServeAsync(ReplicaSite site, ITransport transport, PeerIdentity? identity, CancellationToken cancellation)
    {
        await Task.Yield();
        await using var connection = new FramedConnection(transport);
        try
        {
            await site.ServeAsync(connection, identity, cancellation);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // Stopping.
        }
        catch (Exception e)
        {
            lock (gate) Faults.Add(e);
        }
    }
}
