using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using VmRepl.Replication.Source;

namespace VmRepl.Replication.Tests.Stage;

/// <summary>A source with one group, and what each of its points must hold.</summary>
internal sealed class ProtectedVm
{
    private readonly TestDirectory directory;
    private readonly string state;

    public ProtectedVm(TestDirectory directory, MemoryConnector connector, IReadOnlyList<DiskFile> disks, string name = "vm")
    {
        this.directory = directory;
        state = "agent-" + name;
        Connector = connector;
        Disks = disks;
        Definition = new SourceGroupDefinition(name, "replica:1", [.. disks.Select(d => d.Disk)], null, [], 1);
        directory.Host(state).Create();
        Group = Load();
    }

    public static LinkOptions Quick { get; } = new()
    {
        RetryFor = TimeSpan.FromSeconds(20),
        RetryDelay = TimeSpan.FromMilliseconds(1),
        RetryDelayMax = TimeSpan.FromMilliseconds(4),
        ConnectTimeout = TimeSpan.FromSeconds(10),
    };

    public LinkOptions Options { get; set; } = Quick;

    public Guid SourceId { get; set; } = new("11111111-2222-3333-4444-555555555555");

    public ILogger Log { get; set; } = NullLogger.Instance;

    public MemoryConnector Connector { get; }

    public IReadOnlyList<DiskFile> Disks { get; }

    public SourceGroupDefinition Definition { get; set; }

    public SourceGroup Group { get; private set; }

    /// <summary>For each point its sequence, and the contents of each disk.</summary>
    public List<(ulong Sequence, byte[][] Disks)> Points { get; } = [];

    /// <summary>The agent starts anew, with what its last life left on disk.</summary>
    public void Restart() => Group = Load();

    /// <summary>Makes a round and notes what its point must hold.</summary>
    public async Task<RoundResult> SyncAsync(CancellationToken cancellation = default)
    {
        var result = await Group.SyncAsync(cancellation).WaitAsync(TimeSpan.FromSeconds(30), CancellationToken.None);
        Points.Add((result.Sequence, [.. Disks.Select(d => (byte[])d.Contents.Clone())]));
        return result;
    }

    private SourceGroup Load() => new(directory.Host(state), Definition, SourceId, Connector, Options, TimeProvider.System, Log);
}
