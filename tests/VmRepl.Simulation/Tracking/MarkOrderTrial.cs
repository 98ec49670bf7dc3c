using VmRepl.Blocks;
using VmRepl.Replication.Source.Tracking;
using VmRepl.Simulation.Storage;

namespace VmRepl.Simulation.Tracking;

/// <summary>
/// A few writes to a few chunks, each in its steps (marked; on the disk, and sent in that order; at the replica; acknowledged), the steps of all mixed at random, and the process killed between two of them:
/// is every sector that differs then marked? It verifies the order of marking and the counting of a <see cref="DirtyRegionLog"/>, not what a loss of power leaves.
/// </summary>
public sealed class MarkOrderTrial
{
    private const int SectorCount = 32, UnderWayMax = 4;
    private static readonly Guid Boot = new(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);

    private readonly SeededRandom random;
    private readonly bool marksFirst;
    private readonly SimulatedVolume volume;
    private readonly int[] disk = new int[SectorCount];
    private readonly int[] replica = new int[SectorCount];
    private readonly List<Write> underWay = [];
    private readonly Queue<Write> stream = new();
    private int version;

    private MarkOrderTrial(ulong seed, bool marksFirst)
    {
        random = new SeededRandom(seed);
        this.marksFirst = marksFirst;
        volume = new SimulatedVolume(seed, 1 << 20);
        volume.Directory("agent").Create();
    }

    /// <summary>How many of the trials end with a sector that differs and is not marked.</summary>
    /// <param name="marksFirst">Whether a write is marked before it is on the disk, as it has to be, or after.</param>
    public static async Task<int> CountMissedAsync(int trials, bool marksFirst)
    {
        var missed = 0;
        for (var seed = 1; seed <= trials; seed++)
        {
            if (await new MarkOrderTrial((ulong)seed, marksFirst).MissesAsync()) missed++;
        }

        return missed;
    }

    private async Task<bool> MissesAsync()
    {
        var log = Open();
        log.ClearSettled();
        for (var steps = random.Between(1, 40); steps > 0; steps--) await StepAsync(log);
        volume.Crash(CrashKind.ProcessKill);
        volume.Restart();
        using var again = Open();
        var dirty = again.Dirty(new Extent(0, SectorCount * Sectors.Size));
        return Enumerable.Range(0, SectorCount).Any(s => disk[s] != replica[s] && !dirty.Contains(new Extent(s * Sectors.Size, Sectors.Size)));
    }

    private async Task StepAsync(DirtyRegionLog log)
    {
        if (underWay.Count < UnderWayMax && random.Chance(0.4))
        {
            var first = (int)random.Between(0, SectorCount - 1);
            underWay.Add(new Write(first, (int)Math.Min(random.Between(1, 8), SectorCount - first)));
            return;
        }

        if (stream.Count > 0 && random.Chance(0.3))
        {
            var arrived = stream.Dequeue();
            arrived.Version!.CopyTo(replica.AsSpan(arrived.First));
            arrived.IsAtReplica = true;
            return;
        }

        if (underWay.Count == 0) return;
        var write = random.Pick(underWay);
        if (!write.IsMarked && (marksFirst || write.Version is not null))
        {
            if (!log.TryBegin(write.Extent)) await log.ActivateAsync(write.Extent);
            write.IsMarked = true;
        }
        else if (write.Version is null)
        {
            write.Version = [.. Enumerable.Repeat(++version, write.Count)];
            write.Version.CopyTo(disk.AsSpan(write.First));
            stream.Enqueue(write);
        }
        else if (write.IsAtReplica)
        {
            log.End(write.Extent, clean: true);
            underWay.Remove(write);
        }
    }

    private DirtyRegionLog Open() => DirtyRegionLog.Open(volume.Directory("agent"), "sda", SectorCount * Sectors.Size, new DirtyLogOptions { BootId = Boot, Time = TimeProvider.System });

    private sealed class Write(int first, int count)
    {
        public int First => first;

        public int Count => count;

        public Extent Extent => new(first * Sectors.Size, count * Sectors.Size);

        public bool IsMarked { get; set; }

        public int[]? Version { get; set; }

        public bool IsAtReplica { get; set; }
    }
}
