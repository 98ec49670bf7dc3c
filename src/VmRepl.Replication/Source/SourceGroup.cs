using Microsoft.Extensions.Logging;
using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;
using VmRepl.Journal.Points;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Records;
using RecoveryPoint = VmRepl.Journal.Points.RecoveryPoint;

namespace VmRepl.Replication.Source;

/// <summary>
/// One protected group on the source side. One round or bookmark at a time; others wait their turn.
/// On disk: <c>group.json</c> what is protected, <c>progress.json</c> what the last round left, <c>sequence.json</c> the numbers reserved.
/// </summary>
internal sealed class SourceGroup : IProtectedGroup
{
    public const string DefinitionName = "group.json";
    private const string ProgressName = "progress.json";
    private const int RestartsMax = 3;

    private readonly IHostDirectory directory;
    private readonly Guid sourceId;
    private readonly IReplicaConnector connector;
    private readonly IImageFiles? files;
    private readonly LinkOptions options;
    private readonly TimeProvider time;
    private readonly ILogger log;
    private readonly SequenceReserve sequences;
    private readonly GroupSeeds seeds;
    private readonly SemaphoreSlim turn = new(1, 1);
    private readonly RoundProgress round = new();

    private volatile SourceProgress progress;
    private volatile ReplicationException? lastError;
    private volatile bool isRunning;

    /// <param name="files">Where its images come from; null for the host's files.</param>
    public SourceGroup(IHostDirectory directory, SourceGroupDefinition definition, Guid sourceId, IReplicaConnector connector, LinkOptions options, TimeProvider time, ILogger log, IImageFiles? files = null)
    {
        this.files = files;
        this.directory = directory;
        this.sourceId = sourceId;
        this.connector = connector;
        this.options = options;
        this.time = time;
        this.log = log;
        Definition = definition;
        sequences = new SequenceReserve(directory);
        seeds = new GroupSeeds(definition, directory, log);
        progress = SourceJson.TryRead<SourceProgress>(directory, ProgressName) ?? new SourceProgress();
    }

    public SourceGroupDefinition Definition { get; }

    public IReplicaConnector Connector => connector;

    public string? WhyBusy => isRunning ? "is in the middle of a round" : null;

    /// <summary>Whether a round was asked for and did not end.</summary>
    public bool RoundIsOpen => progress.RoundIsOpen;

    public SourceGroupStatus Status
    {
        get
        {
            var (running, error, now) = (isRunning, lastError, progress);
            var phase = running ? now.PointSequence == 0 ? "baseline" : "syncing" : error is not null ? "failed" : "idle";
            return new SourceGroupStatus(Definition, now, phase, running ? round.TotalBytes : 0, running ? round.DoneBytes : 0, running ? round.ChangedBytes : 0, running ? round.Waiting : null, error?.Message, error?.Hint) { Seeds = seeds.Outcomes };
        }
    }

    /// <summary>Waits for a running round, then makes one; returns when its point is durable.</summary>
    /// <exception cref="ReplicationException">There is no new point; earlier ones are as they were.</exception>
    public async Task<RoundResult> SyncAsync(CancellationToken cancellation)
    {
        await turn.WaitAsync(cancellation);
        isRunning = true;
        try
        {
            Save(progress with { RoundIsOpen = true });
            var result = await RoundAsync(cancellation);
            lastError = null;
            LinkLog.Point(log, Definition.Name, result.Sequence, result.ChangedBytes, result.BytesSent, result.Duration.TotalSeconds);
            return result;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw Note(e);
        }
        finally
        {
            isRunning = false;
            turn.Release();
        }
    }

    /// <summary>Gives the newest point a name.</summary>
    /// <exception cref="ReplicationException">There is no point, the name is in use, or the replica cannot be reached.</exception>
    public async Task<RecoveryPoint> BookmarkAsync(string name, CancellationToken cancellation)
    {
        await turn.WaitAsync(cancellation);
        try
        {
            if (progress.PointSequence == 0)
                throw new ReplicationException(Definition.Name, $"group {Definition.Name} has no recovery point yet that could be named", $"vmrepl sync {Definition.Name} makes one.");
            await using var link = NewLink();
            await link.OpenAsync(cancellation);
            if (link.State.NewestRewind > progress.Durable)
                throw new ReplicationException(Definition.Name, $"group {Definition.Name} was rewound at the replica since this agent's newest point {progress.PointSequence}", $"vmrepl sync {Definition.Name} brings the replica to this host's disks again; until then its points stay as they are.");
            if (link.State.LastPoint != progress.PointSequence)
                throw new ReplicationException(Definition.Name, $"group {Definition.Name}: the replica's newest point is {link.State.LastPoint}, this agent's is {progress.PointSequence}", $"vmrepl sync {Definition.Name} brings both together.");
            sequences.AdvanceTo(link.Durable);
            var stream = new RecordStream(link, sequences, time, Definition.Epoch, link.BeginTimeUs(progress.TimeUs));
            var attributes = sequences.GapAfter(link.Durable) ?? [];
            attributes[RecordAttribute.Name] = name;
            attributes[RecordAttribute.Point] = link.State.LastPoint.ToString(System.Globalization.CultureInfo.InvariantCulture);
            await stream.SendAsync([new RecordDraft(RecordKind.Bookmark, 0, 0, 0, default, attributes)], isBaseline: false, cancellation);
            await link.WaitDurableAsync(stream.Last, cancellation);
            Save(progress with { TimeUs = stream.LastTimeUs, Durable = link.Durable, Bookmark = name });
            return new RecoveryPoint(progress.PointSequence, progress.PointTimeUs, name, RecoveryPoint.Crash);
        }
        catch (Exception e) when (e is IOException or Protocol.ProtocolException or RoundRestartException)
        {
            throw Wrap(e);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Rounds end with the agent.</summary>
    public Task StopAsync() => Task.CompletedTask;

    private async Task<RoundResult> RoundAsync(CancellationToken cancellation)
    {
        for (var attempt = 1; ; attempt++)
        {
            var disks = new List<FrozenDisk>();
            try
            {
                foreach (var disk in Definition.IsSeedWhole ? [] : Definition.Disks) disks.Add(FrozenDisk.Open(Definition.Name, disk, Definition.Allow, files));
                await using var link = NewLink();
                var (result, after) = await new SnapshotRound(Definition, progress, sourceId, link, seeds, sequences, time, round).RunAsync(disks, cancellation);
                Save(after);
                return result;
            }
            catch (RoundRestartException e) when (attempt <= RestartsMax)
            {
                LinkLog.Restarting(log, Definition.Name, e.Message);
            }
            finally
            {
                foreach (var disk in disks) disk.Dispose();
            }
        }
    }

    private ReplicaLink NewLink() => new(connector,
        new OpenGroup(Definition.Name, sourceId, Definition.Epoch, [.. Definition.Disks.Select(d => new DiskDeclaration(d.Id, d.Name, d.Length, d.SectorSize, Images.ImageFormatNames.Name(d.Format)))], Create: true) { Seeds = seeds.Declare(hasPoint: progress.PointSequence != 0), CloneOf = Definition.CloneOf },
        options, time, log, reason => round.Waiting = reason is null ? null : $"waiting for room at the replica: {reason}");

    private ReplicationException Note(Exception e)
    {
        var failure = Wrap(e);
        lastError = failure;
        LinkLog.RoundFailed(log, Definition.Name, failure.Message);
        try
        {
            // A baseline that did not end is taken up again by itself; a later round that failed was told to whoever asked for it.
            if (progress.PointSequence != 0) Save(progress with { RoundIsOpen = false });
        }
        catch (IOException)
        {
            // The round is taken up again when the agent starts, which does no harm; what it failed of is what has to be told.
        }

        return failure;
    }

    private ReplicationException Wrap(Exception e) => e switch
    {
        ReplicationException r => r,
        Images.ImageFormatException => new ReplicationException(Definition.Name, $"group {Definition.Name}: a disk cannot be read: {e.Message}", "Repair or put back the image, then sync again; earlier points are kept.", cause: e),
        RoundRestartException => new ReplicationException(Definition.Name, $"group {Definition.Name}: {e.Message}, again and again", "Look at the replica's log.", cause: e),
        IOException or UnauthorizedAccessException => new ReplicationException(Definition.Name, $"group {Definition.Name}: {e.Message}", "Mend that, then sync again; earlier points are kept.", cause: e),
        _ => new ReplicationException(Definition.Name, $"group {Definition.Name}: {e.GetType().Name}: {e.Message}", "This is a fault in vmrepl; the log has more.", cause: e),
    };

    private void Save(SourceProgress next)
    {
        SourceJson.Write(directory, ProgressName, next);
        progress = next;
    }
}
