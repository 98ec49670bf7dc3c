using Microsoft.Extensions.Logging;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Images;
using VmRepl.Replication.Source;
using VmRepl.Replication.Source.Following;
using VmRepl.Replication.Source.Tracking;
using VmRepl.Simulation.Storage;

namespace VmRepl.Simulation.System;

/// <summary>The source's host: a volume with the images and the agent's state, and while it is up a follower. What it left when it went down is all that the next life has.</summary>
internal sealed class SourceMachine
{
    private const string GroupName = "vm";

    private static readonly Guid SourceId = new("11111111-2222-3333-4444-555555555555");

    private readonly SimulatedTime time;
    private readonly SimulatedNetwork network;
    private readonly WriteHistory history;
    private readonly FollowOptions options;
    private readonly SeededRandom random;
    private readonly SystemCounters counters;
    private readonly ILogger log;
    private readonly int[] lengths;
    private readonly byte[][] images;
    private readonly AsyncLocal<GuestWrite?> current = new();

    private CancellationTokenSource life = new();
    private SimulatedNetwork.Connector? connector;
    private Task following = Task.CompletedTask;
    private List<FollowedDisk> disks = [];
    private Guid bootId;

    public SourceMachine(SimulatedTime time, SeededRandom random, SimulatedNetwork network, WriteHistory history, FollowOptions options, int[] lengths, SystemCounters counters, ILogger log)
    {
        (this.time, this.network, this.history, this.options, this.random, this.lengths, this.counters, this.log) = (time, network, history, options, random, lengths, counters, log);
        Volume = new SimulatedVolume(random.Next64(), ReplicaMachine.RoomyBytes) { PunchesHoles = random.Chance(0.8), WritesBackEarly = random.Chance(0.5) };
        images = [.. lengths.Select(n => new byte[n])];
        bootId = NewBootId();
        MakeImages();
    }

    public SimulatedVolume Volume { get; }

    public bool IsUp => Follower is not null && !Volume.IsDown;

    public GroupFollower? Follower { get; private set; }

    public IReadOnlyList<FollowedDisk> Disks => disks;

    public CancellationToken Life => life.Token;

    /// <summary>Comes up; how the life before ended is found out from what it left.</summary>
    /// <param name="look">Called when the marks are read and nothing has happened yet.</param>
    public void Start(Action look)
    {
        Volume.Restart();
        Note();
        life = new CancellationTokenSource();
        var agent = Volume.Directory("agent");
        agent.Create();
        Volume.FlushRoot();
        disks = [];
        for (var i = 0; i < lengths.Length; i++) disks.Add(OpenDisk(agent, i));
        look();
        connector = new SimulatedNetwork.Connector(network);
        var definition = new SourceGroupDefinition(GroupName, "replica:1", [.. disks.Select(d => d.Disk)], null, [], 1) { Capture = CaptureMode.Served, Acknowledgement = options.Acknowledgement, OnLoss = options.OnLoss };
        var link = new LinkOptions { Jitter = () => (random.Next64() >> 11) * (1.0 / (1UL << 53)), RetryDelayMax = TimeSpan.FromSeconds(2), ConnectTimeout = TimeSpan.FromSeconds(5), PingInterval = TimeSpan.FromSeconds(2), SilenceMax = TimeSpan.FromSeconds(8) };
        Follower = new GroupFollower(definition, agent, disks, SourceId, connector, link, options, new SequenceReserve(agent), time, log);
        following = RunAsync(Follower, life.Token);
    }

    /// <summary>Goes down, if it is not down already.</summary>
    public void Crash(CrashKind kind)
    {
        if (!Volume.IsDown) Volume.Crash(kind);
        if (Volume.IsDown && (Volume.CrashedAs ?? kind) == CrashKind.PowerLoss) bootId = NewBootId();
        network.LoseMachine(isSource: true);
        if (connector is not null) connector.IsDead = true;
        Follower = null;
        life.Cancel();
    }

    /// <summary>A planned stop.</summary>
    public async Task StopAsync()
    {
        var stopped = Follower;
        await life.CancelAsync();
        await following;
        if (Volume.IsDown || stopped != Follower) return;
        foreach (var disk in disks)
        {
            disk.Image.Flush();
            _ = disk.Marks.CloseClean();
            disk.Marks.Dispose();
        }

        connector!.IsDead = true;
        Follower = null;
        disks = [];
        network.LoseMachine(isSource: true);
    }

    /// <summary>A change of the guest's, as the oracle is to know it.</summary>
    public async Task<GuestWrite> ChangeAsync(GuestWrite.Asked asked, Func<Splitter, CancellationToken, ValueTask> change)
    {
        var write = history.Issue(asked);
        var token = life.Token;
        current.Value = write;
        var isStopped = IsStopped();
        try
        {
            await change(Follower!.Splitter, token);
        }
        catch (IOException) when (!token.IsCancellationRequested && !Volume.IsDown)
        {
            write.HasFailed = true;
            throw;
        }

        // Nobody hears an answer of a machine that is gone.
        if (token.IsCancellationRequested || Volume.IsDown) throw new SimulatedCrashException();
        write.AnsweredAt = history.Now();
        // With "stop" no write is answered without the replica any more, once the promise was in force.
        write.IsPromised = Follower!.Status.Promise is { IsInForce: true } || IsStopped();
        if (isStopped) counters.Add(SystemCounters.StoppedWrites);
        return write;
    }

    private bool IsStopped() => options.OnLoss == LossRule.Stop && Follower?.Status.Promise is { IsInForce: false, Ended: not null };

    /// <summary>The images as they are; valid until it is called again.</summary>
    public byte[][] ReadImages()
    {
        var directory = Volume.Directory("images");
        for (var i = 0; i < images.Length; i++) directory.CopyContents(ImageName(i), images[i]);
        return images;
    }

    private static string ImageName(int disk) => $"d{disk}.raw";

    private void Note()
    {
        history.EndLife();
        _ = ReadImages();
        for (var i = 0; i < images.Length; i++) history.Found(i, images[i]);
    }

    private void MakeImages()
    {
        var directory = Volume.Directory("images");
        directory.Create();
        for (var i = 0; i < lengths.Length; i++)
        {
            using var file = directory.Open(ImageName(i), HostFileAccess.CreateNew);
            file.SetLength(lengths[i]);
            for (var at = 0; at < lengths[i]; at += 64 << 10)
            {
                if (!random.Chance(0.3)) continue;
                var contents = new byte[random.Between(1, 16) * 4096];
                random.Fill(contents);
                history.Change(i, new Extent(at, contents.Length), contents, null);
                file.Write(at, contents);
            }

            file.Flush();
        }

        directory.Flush();
        Volume.FlushRoot();
    }

    private FollowedDisk OpenDisk(SimulatedDirectory agent, int i)
    {
        var file = Volume.Directory("images").Open(ImageName(i), HostFileAccess.ReadWrite);
        var token = life.Token;
        var image = new TappedImage(file, (extent, contents) =>
        {
            // What a dead process would have done is not done.
            if (token.IsCancellationRequested || Volume.IsDown) throw new SimulatedCrashException();
            history.Change(i, extent, contents, current.Value);
        }, (offset, contents) => current.Value?.NoteEdge(offset, contents));
        var name = $"d{i}";
        var marks = DirtyRegionLog.Open(agent, name, lengths[i], new DirtyLogOptions { BootId = bootId, Time = time, IdleFor = TimeSpan.FromSeconds(5) });
        // Nobody else writes these images, so what the marks were found as is all that counts.
        var comparesFirst = marks.OpenedAfter is not (LogStop.Clean or LogStop.ProcessDeath);
        return new FollowedDisk(new SourceDisk((uint)i + 1, name, ImageName(i), ImageFormat.Raw, lengths[i], Sectors.Size), image, marks, comparesFirst);
    }

    private async Task RunAsync(GroupFollower follower, CancellationToken cancellation)
    {
        await Task.Yield();
        try
        {
            await follower.RunAsync(cancellation);
        }
        catch (SimulatedCrashException) when (Volume.IsDown || cancellation.IsCancellationRequested)
        {
            // The machine is down; the next life looks at what is left.
        }
    }

    private Guid NewBootId()
    {
        var bytes = new byte[16];
        random.Fill(bytes);
        return new Guid(bytes);
    }
}
