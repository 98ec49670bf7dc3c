using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Replication.Source.Tracking;
using VmRepl.Simulation.Storage;

namespace VmRepl.Replication.Tests.Tracking;

/// <summary>
/// A disk, a replica of it, and the log between them, driven as the splitter drives it: a naive oracle that knows each sector by a number. What the replica does not have has to be marked after every step.
/// The disk has a cache: what was written since its last flush is kept or lost sector by sector when the host goes down.
/// </summary>
internal sealed class TrackedDisk
{
    private const string Name = "sda";

    private readonly SeededRandom random;
    private readonly SimulatedVolume volume;
    private readonly long length;
    private readonly int exactMax;
    private readonly SimulatedTime time = new();
    private readonly int[] disk;
    private readonly int[] durableDisk;
    private readonly int[] replica;
    private readonly HashSet<int> unflushed = [];

    // In the order of the stream; the replica takes them from the front.
    private readonly Queue<Sent> stream = new();
    private readonly HashSet<long> toCopy = [];
    private Guid boot = new(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    private DirtyRegionLog log;
    private int version;

    public TrackedDisk(ulong seed)
    {
        random = new SeededRandom(seed);
        length = random.Pick([2L << 20, (16 << 20) + 512, (48 << 20) - 1536, (33L << 20) + (36 << 10)]);
        exactMax = random.Pick([1, 2, 16]);
        volume = new SimulatedVolume(seed ^ 0xABCD, 1L << 30) { PunchesHoles = random.Chance(0.8), WritesBackEarly = random.Chance(0.5) };
        volume.Directory("agent").Create();
        volume.FlushRoot();
        disk = new int[length / Sectors.Size];
        durableDisk = new int[disk.Length];
        replica = new int[disk.Length];
        log = Open();
        Assert.That((log.OpenedAfter, log.DirtyBytes), Is.EqualTo((LogStop.New, length)), "nothing is known of a new log's disk");
        log.ClearSettled();
        Assert.That(log.DirtyBytes, Is.Zero);
    }

    /// <summary>Lives that ended in each way, to see that all were met.</summary>
    public Dictionary<LogStop, int> Stops { get; } = [];

    public int Collapses { get; private set; }

    public async Task StepAsync()
    {
        if (random.Chance(0.02)) (volume.CrashAt, volume.CrashKind) = (volume.IoCount + random.Between(1, 12), random.Chance(0.5) ? CrashKind.PowerLoss : CrashKind.ProcessKill);
        try
        {
            switch (random.Between(0, 15))
            {
                case <= 5: await WriteAsync(); break;
                case <= 9: Acknowledge((int)random.Between(1, 3)); break;
                case <= 11: await ScanAsync(); break;
                case 12: Compare(); break;
                case 13: await DeactivateAsync(); break;
                case 14 when random.Chance(0.2): GiveLinkUp(); break;
                case 15 when random.Chance(0.3): CloseClean(); break;
                case 15 when random.Chance(0.05): log.MarkAll(); toCopy.UnionWith(Chunks(new Extent(0, length))); break;
                case 15 when random.Chance(0.1): Reopen(null); break;
            }

            if (toCopy.Count == 0 && random.Chance(0.1)) log.ClearSettled();
            time.Advance(TimeSpan.FromSeconds(random.Between(0, 20)));
        }
        catch (SimulatedCrashException)
        {
            Reopen(volume.CrashKind);
        }

        if (log.SegmentDirtyBytes > 0) Collapses++;
        Check();
    }

    /// <summary>Everything goes over: then nothing differs and nothing is marked.</summary>
    public async Task SettleAsync()
    {
        volume.CrashAt = long.MaxValue;
        while (toCopy.Count > 0) await ScanAsync();
        Acknowledge(int.MaxValue);
        Assert.That(replica, Is.EqualTo(disk));
        log.ClearSettled();
        Assert.That((log.DirtyBytes, log.SegmentDirtyBytes, log.Dirty(new Extent(0, length)).Count), Is.EqualTo((0L, 0L, 0)));
    }

    private async Task WriteAsync()
    {
        var extent = RandomExtent();
        if (!log.TryBegin(extent)) await log.ActivateAsync(extent);
        foreach (var sector in SectorsOf(extent)) Store(sector, ++version);
        // A full buffer, or a chunk that is still to be copied: to the disk alone.
        var isLocal = random.Chance(0.2) || Chunks(extent).Any(toCopy.Contains);
        if (isLocal) toCopy.UnionWith(Chunks(extent));
        else stream.Enqueue(new Sent(extent, [.. SectorsOf(extent).Select(s => (s, disk[s]))]));
        if (isLocal) log.End(extent, clean: false);
    }

    private void Acknowledge(int count)
    {
        for (; count > 0 && stream.Count > 0; count--)
        {
            var sent = stream.Peek();
            Apply(sent);
            stream.Dequeue();
            // Chunk by chunk: one that has come to be copied meanwhile stays as it is.
            foreach (var chunk in Chunks(sent.Extent)) log.End(Extent(chunk).Intersect(sent.Extent), !toCopy.Contains(chunk));
        }
    }

    private async Task ScanAsync()
    {
        if (toCopy.Count == 0) return;
        var chunk = random.Chance(0.5) ? toCopy.First() : toCopy.ElementAt((int)random.Between(0, Math.Min(toCopy.Count, 50) - 1));
        var extent = Extent(chunk);
        if (random.Chance(0.5)) extent = new Extent(extent.Offset, Math.Min(length - extent.Offset, 1 << 20));
        var dirty = log.Dirty(extent).Extents.SelectMany(SectorsOf).Select(s => (s, disk[s])).ToList();
        // The disk is not written, so nothing has to be active.
        if (!log.TryBegin(extent) && random.Chance(0.2)) await log.ActivateAsync(extent);
        stream.Enqueue(new Sent(extent, dirty));
        toCopy.ExceptWith(Chunks(extent));
    }

    /// <summary>A segment is compared by digest, with what is under way to the replica counted as there.</summary>
    private void Compare()
    {
        var start = random.Between(0, (length - 1) >> 16) << 16;
        var extent = new Extent(start, Math.Min(length - start, random.Between(1, 3) << 16));
        var there = new Dictionary<int, int>();
        foreach (var sent in stream) foreach (var (sector, value) in sent.Sectors) there[sector] = value;
        if (SectorsOf(extent).Any(s => disk[s] != (there.TryGetValue(s, out var value) ? value : replica[s]))) return;
        log.Clear(extent);
        toCopy.ExceptWith(Chunks(extent));
    }

    private async Task DeactivateAsync()
    {
        await log.DeactivateIdleAsync(() =>
        {
            FlushDisk();
            return ValueTask.CompletedTask;
        });
    }

    /// <summary>The link is given up: what was sent may have arrived or not, and has to be copied.</summary>
    private void GiveLinkUp()
    {
        for (var arrived = random.Between(0, stream.Count); arrived > 0; arrived--) ApplyFirst();
        foreach (var sent in stream) toCopy.UnionWith(Chunks(sent.Extent));
        foreach (var sent in stream.ToArray())
        {
            log.End(sent.Extent, clean: false);
            stream.Dequeue();
        }

        // What arrived was not acknowledged either.
        void ApplyFirst()
        {
            var first = stream.Dequeue();
            Apply(first);
            toCopy.UnionWith(Chunks(first.Extent));
            log.End(first.Extent, clean: false);
        }
    }

    private void CloseClean()
    {
        GiveLinkUp();
        FlushDisk();
        if (random.Chance(0.5)) (volume.CrashAt, volume.CrashKind) = (volume.IoCount + random.Between(1, 4), CrashKind.PowerLoss);
        var before = log.Dirty(new Extent(0, length)).Extents;
        Assert.That(log.CloseClean(), Is.True);
        log.Dispose();
        volume.Crash(CrashKind.PowerLoss);
        volume.Restart();
        boot = Next(boot);
        log = Open();
        Note(LogStop.Clean);
        Assert.That(log.Dirty(new Extent(0, length)).Extents, Is.EqualTo(before));
    }

    private void Reopen(CrashKind? kind)
    {
        var isKill = kind != CrashKind.PowerLoss;
        if (kind is null)
        {
            // Between two steps nothing is half done: not a mark more or less.
            var before = log.Dirty(new Extent(0, length)).Extents;
            volume.Crash(CrashKind.ProcessKill);
            volume.Restart();
            log = Open();
            Assert.That(log.Dirty(new Extent(0, length)).Extents, Is.EqualTo(before));
        }

        // The openings crash as well, and the host may go down after the process.
        if (kind is not null)
        {
            volume.Restart();
            while (true)
            {
                if (!isKill) LosePower();
                try
                {
                    if (random.Chance(0.3)) (volume.CrashAt, volume.CrashKind) = (volume.IoCount + random.Between(1, 20), random.Chance(0.5) ? CrashKind.PowerLoss : CrashKind.ProcessKill);
                    log = Open();
                    volume.CrashAt = long.MaxValue;
                    break;
                }
                catch (SimulatedCrashException)
                {
                    isKill = volume.CrashKind != CrashKind.PowerLoss;
                    volume.Restart();
                }
            }
        }

        Note(null);
        // The link went with the process: the replica has some of what was under way.
        for (var arrived = random.Between(0, stream.Count); arrived > 0; arrived--) Apply(stream.Dequeue());
        stream.Clear();
        toCopy.Clear();
        foreach (var dirty in log.Dirty(new Extent(0, length)).Extents) toCopy.UnionWith(Chunks(dirty));
    }

    private void LosePower()
    {
        boot = Next(boot);
        var survival = random.Pick([0, 0.5, 1.0]);
        foreach (var sector in unflushed)
        {
            if (!random.Chance(survival)) disk[sector] = durableDisk[sector];
            durableDisk[sector] = disk[sector];
        }

        unflushed.Clear();
    }

    private void FlushDisk()
    {
        foreach (var sector in unflushed) durableDisk[sector] = disk[sector];
        unflushed.Clear();
    }

    private void Store(int sector, int value)
    {
        disk[sector] = value;
        unflushed.Add(sector);
    }

    private void Apply(Sent sent)
    {
        foreach (var (sector, value) in sent.Sectors) replica[sector] = value;
    }

    private void Check()
    {
        var dirty = log.Dirty(new Extent(0, length));
        Assert.That(log.DirtyBytes, Is.EqualTo(dirty.Bytes), "counted as told");
        foreach (var clean in dirty.Gaps(new Extent(0, length)))
        {
            var (first, count) = ((int)(clean.Offset / Sectors.Size), (int)(clean.Length / Sectors.Size));
            var same = disk.AsSpan(first, count).CommonPrefixLength(replica.AsSpan(first, count));
            if (same != count) Assert.Fail($"sector {first + same} differs and is not marked");
        }

        foreach (var sent in stream) Assert.That(dirty.Contains(sent.Extent), Is.True, "a write under way is marked");
    }

    private DirtyRegionLog Open() => DirtyRegionLog.Open(volume.Directory("agent"), Name, length, new DirtyLogOptions { BootId = boot, Time = time, ExactBucketsMax = exactMax, ActiveMax = 2 });

    private void Note(LogStop? expected)
    {
        if (expected is { } stop) Assert.That(log.OpenedAfter, Is.EqualTo(stop));
        Assert.That(log.Wrong, Is.Null);
        Stops[log.OpenedAfter] = Stops.GetValueOrDefault(log.OpenedAfter) + 1;
    }

    /// <summary>Most often in a few places, so that writes meet.</summary>
    private Extent RandomExtent()
    {
        var sectors = disk.Length;
        var first = random.Chance(0.7) ? random.Between(0, 5) * (sectors / 6) + random.Between(0, 40) : random.Between(0, sectors - 1);
        var count = random.Chance(0.9) ? random.Between(1, 24) : random.Between(1, 3000);
        return new Extent(first * Sectors.Size, Math.Min(count, sectors - first) * Sectors.Size);
    }

    private Extent Extent(long chunk) => new(chunk * 4096, Math.Min(4096, length - (chunk * 4096)));

    private static Guid Next(Guid id)
    {
        var bytes = id.ToByteArray();
        for (var i = 0; ++bytes[i] == 0; i++)
        {
        }

        return new Guid(bytes);
    }

    private static IEnumerable<int> SectorsOf(Extent extent) => Enumerable.Range((int)(extent.Offset / Sectors.Size), (int)(extent.Length / Sectors.Size));

    private static IEnumerable<long> Chunks(Extent extent)
    {
        for (var chunk = extent.Offset / 4096; chunk * 4096 < extent.End; chunk++) yield return chunk;
    }

    private sealed record Sent(Extent Extent, List<(int Sector, int Value)> Sectors);
}
