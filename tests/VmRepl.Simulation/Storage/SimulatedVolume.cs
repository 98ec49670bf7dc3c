namespace VmRepl.Simulation.Storage;

/// <summary>
/// One simulated volume, decided by one seed. Fault model:
/// unsynced sectors of 512 bytes are kept or dropped one by one when power is lost, so writes tear and are reordered at will between flushes; a sector itself never tears;
/// names behave the same between flushes of their directory; a killed process loses nothing, and nothing becomes durable by it; the volume can be full;
/// reads and flushes can fail. Not modelled: a flush that lies, a sector that changes by itself (<see cref="SimulatedDirectory.FlipBit"/> does that on demand).
/// </summary>
public sealed class SimulatedVolume(ulong seed, long capacityBytes)
{
    private readonly SeededRandom random = new(seed);

    internal SimulatedNode Root { get; } = new();

    /// <summary>Grows with each crash; handles of an earlier life are dead.</summary>
    internal int Life { get; private set; }

    public bool IsDown { get; private set; }

    public long CapacityBytes { get; set; } = capacityBytes;

    /// <summary>Whether files can share extents here.</summary>
    public bool SharesExtents { get; set; } = true;

    public long UsedBytes { get; private set; }

    /// <summary>Changes and flushes so far; reads do not count, since a crash at a read is one at the next change.</summary>
    public long IoCount { get; private set; }

    /// <summary>The machine goes down at this change; <see cref="long.MaxValue"/> for never.</summary>
    public long CrashAt { get; set; } = long.MaxValue;

    public CrashKind CrashKind { get; set; }

    /// <summary>The read of that number from now fails once; 0 for none.</summary>
    public long FailReadIn { get; set; }

    /// <summary>Called before each read of a file, with its path: where the schedule lets others run.</summary>
    public Action<string>? BeforeRead { get; set; }

    public SimulatedDirectory Directory(string name) => new(this, [name]);

    /// <summary>Makes the names at the volume's root durable.</summary>
    public void FlushRoot() => Root.Flush();

    /// <summary>Brings the machine up again.</summary>
    public void Restart()
    {
        IsDown = false;
        CrashAt = long.MaxValue;
        FailReadIn = 0;
    }

    /// <summary>Takes the machine down now.</summary>
    public void Crash(CrashKind kind)
    {
        IsDown = true;
        Life++;
        if (kind == CrashKind.ProcessKill) return;
        // Some losses take all, some nothing, most a part.
        var survival = random.Pick([0, 0.1, 0.5, 0.9, 1.0]);
        Root.LosePower(() => random.Chance(survival));
        UsedBytes = Root.AllFiles().Sum(f => f.AllocatedBytes);
    }

    internal void RequireUp(int life)
    {
        if (IsDown || life != Life) throw new SimulatedCrashException();
    }

    /// <summary>Does one change. At the crash, a loss of power finds all of it in the cache; a killed process may have done none of it.</summary>
    internal void Change(int life, Action change)
    {
        RequireUp(life);
        IoCount++;
        if (IoCount < CrashAt)
        {
            change();
            return;
        }

        if (CrashKind == CrashKind.PowerLoss || random.Chance(0.5)) change();
        Crash(CrashKind);
        throw new SimulatedCrashException();
    }

    internal void BeforeReading(int life, string path)
    {
        RequireUp(life);
        BeforeRead?.Invoke(path);
        RequireUp(life);
        if (FailReadIn > 0 && --FailReadIn == 0) throw new IOException($"{path}: cannot be read: Input/output error (simulated)");
    }

    internal void Take(long bytes)
    {
        if (UsedBytes + bytes > CapacityBytes) throw new IOException("No space left on device (simulated)");
        UsedBytes += bytes;
    }

    internal void Give(long bytes) => UsedBytes -= bytes;
}
