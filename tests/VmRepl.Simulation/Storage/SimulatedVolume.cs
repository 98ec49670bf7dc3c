namespace VmRepl.Simulation.Storage;

/// <summary>
/// One simulated volume, decided by one seed. Fault model:
/// unsynced sectors of 512 bytes are kept or dropped one by one when power is lost, so writes tear and are reordered at will between flushes; a sector itself never tears;
/// what is unsynced may be written back at any time before; names behave the same between flushes of their directory; a killed process loses nothing, and nothing becomes durable by it.
/// The volume can be full from one write to the next. Reads, writes, punches and flushes can fail; a volume may have no holes to punch; what a failed flush was about may never become durable, whatever a later flush says.
/// A flush may be acknowledged and not done (<see cref="LoseFlushesAt"/>). A bit at rest changes on demand (<see cref="SimulatedDirectory.FlipBit"/>).
/// Not modelled: writes to a wrong place, space that extents share.
/// </summary>
public sealed class SimulatedVolume(ulong seed, long capacityBytes)
{
    private readonly SeededRandom random = new(seed);
    private ulong numbers;

    internal SimulatedNode Root { get; } = new();

    /// <summary>Grows with each crash; handles of an earlier life are dead.</summary>
    internal int Life { get; private set; }

    public bool IsDown { get; private set; }

    /// <summary>How it went down last; null while it is up.</summary>
    public CrashKind? CrashedAs { get; private set; }

    public long CapacityBytes { get; set; } = capacityBytes;

    public long UsedBytes { get; private set; }

    /// <summary>Changes and flushes so far; reads do not count, since a crash at a read is one at the next change.</summary>
    public long IoCount { get; private set; }

    /// <summary>The machine goes down at this change; <see cref="long.MaxValue"/> for never.</summary>
    public long CrashAt { get; set; } = long.MaxValue;

    public CrashKind CrashKind { get; set; }

    /// <summary>The machine goes down when a file whose name begins like this is deleted or gets another name, or at one of the next two changes; null for never.</summary>
    public string? CrashWhenGoes { get; set; }

    /// <summary>Asked before each flush of a file; the machine goes down at that flush if it says so. Null for never.</summary>
    public Func<bool>? CrashAtFlushIf { get; set; }

    /// <summary>Somebody else takes all the space that is left at this change; <see cref="long.MaxValue"/> for never.</summary>
    public long FillAt { get; set; } = long.MaxValue;

    /// <summary>From this change on flushes are acknowledged and nothing becomes durable, until power is lost; <see cref="long.MaxValue"/> for never.</summary>
    public long LoseFlushesAt { get; set; } = long.MaxValue;

    /// <summary>Whether some of what is unsynced survives even where flushes were lost: of a journal then later parts may be there and earlier ones not. Otherwise the whole cache is gone.</summary>
    public bool SomeSurviveLostFlushes { get; set; }

    /// <summary>A flush was acknowledged and is lost since power was lost.</summary>
    public bool LostFlushes { get; private set; }

    /// <summary>The read of that number from now fails once; 0 for none.</summary>
    public long FailReadIn { get; set; }

    /// <summary>The same for writes.</summary>
    public long FailWriteIn { get; set; }

    /// <summary>The same for flushes of files.</summary>
    public long FailFlushIn { get; set; }

    /// <summary>The same for punches.</summary>
    public long FailPunchIn { get; set; }

    /// <summary>Told the path when a punch failed: whoever punched may go on.</summary>
    public Action<string>? PunchFailed { get; set; }

    /// <summary>Whether parts of files can be given back here.</summary>
    public bool PunchesHoles { get; init; } = true;

    /// <summary>Whether files can share extents here.</summary>
    public bool SharesExtents { get; set; } = true;

    /// <summary>Whether the host writes back before it is asked to.</summary>
    public bool WritesBackEarly { get; set; }

    /// <summary>Called before each read of a file, with its path: where the schedule lets others run.</summary>
    public Action<string>? BeforeRead { get; set; }

    public SimulatedDirectory Directory(string name) => new(this, [name]);

    /// <summary>Makes the names at the volume's root durable.</summary>
    public void FlushRoot()
    {
        if (!IsLosingFlushes) Root.Flush();
    }

    /// <summary>Brings the machine up again.</summary>
    public void Restart()
    {
        IsDown = false;
        CrashedAs = null;
        LostFlushes = false;
        CrashAt = FillAt = long.MaxValue;
        CrashWhenGoes = null;
        CrashAtFlushIf = null;
        FailReadIn = FailWriteIn = FailPunchIn = FailFlushIn = 0;
    }

    /// <summary>Takes the machine down now.</summary>
    public void Crash(CrashKind kind)
    {
        IsDown = true;
        CrashedAs = kind;
        Life++;
        if (kind == CrashKind.ProcessKill) return;
        // Some losses take all, some nothing, most a part.
        var survival = random.Pick([0, 0.1, 0.5, 0.9, 1.0]);
        if (IsLosingFlushes)
        {
            LostFlushes = true;
            if (!SomeSurviveLostFlushes) survival = 0;
            LoseFlushesAt = long.MaxValue;
        }

        Root.LosePower(() => random.Chance(survival));
        UsedBytes = Root.AllFiles().Sum(f => f.AllocatedBytes);
    }

    internal bool IsLosingFlushes => IoCount >= LoseFlushesAt;

    internal void RequireUp(int life)
    {
        if (IsDown || life != Life) throw new SimulatedCrashException();
    }

    /// <summary>Does one change. At the crash, a loss of power finds all of it in the cache; a killed process may have done none of it.</summary>
    internal void Change(int life, Action change)
    {
        RequireUp(life);
        if (++IoCount >= FillAt)
        {
            FillAt = long.MaxValue;
            CapacityBytes = UsedBytes;
        }

        if (IoCount < CrashAt)
        {
            change();
            return;
        }

        if (CrashKind == CrashKind.PowerLoss || random.Chance(0.5)) change();
        Crash(CrashKind);
        throw new SimulatedCrashException();
    }

    /// <summary>As <see cref="Change"/>, for a write, which may fail: with none of it done, or all.</summary>
    internal void Write(int life, string path, Action write)
    {
        if (FailWriteIn > 0 && --FailWriteIn == 0)
        {
            if (random.Chance(0.5)) Change(life, write);
            throw new IOException($"{path}: cannot be written: Input/output error (simulated)");
        }

        Change(life, write);
    }

    /// <summary>As <see cref="Change"/>, for a punch, which may fail: with none of it done, a part, or all.</summary>
    internal void Punch(int life, string path, Action<long> punch, long length)
    {
        if (FailPunchIn > 0 && --FailPunchIn == 0)
        {
            var done = random.Between(0, length / SimulatedPage.SectorBytes) * SimulatedPage.SectorBytes;
            if (done > 0) Change(life, () => punch(done));
            PunchFailed?.Invoke(path);
            throw new IOException($"{path}: cannot be punched: Input/output error (simulated)");
        }

        Change(life, () => punch(length));
    }

    internal void Flush(int life, string path, SimulatedInode inode) => Flush(life, path, inode.Flush, inode.ForgetUnflushed);

    /// <summary>As <see cref="Change"/>, for a flush, which may fail.</summary>
    internal void Flush(int life, string path, Action flush, Action forget)
    {
        if (FailFlushIn > 0 && --FailFlushIn == 0)
        {
            if (random.Chance(0.7)) forget();
            throw new IOException($"{path}: cannot be flushed: Input/output error (simulated)");
        }

        if (CrashAtFlushIf?.Invoke() == true) CrashAt = IoCount + 1;
        Change(life, () =>
        {
            if (!IsLosingFlushes) flush();
        });
    }

    internal void BeforeGoing(string name)
    {
        if (CrashWhenGoes is null || !name.StartsWith(CrashWhenGoes, StringComparison.Ordinal)) return;
        CrashWhenGoes = null;
        CrashAt = IoCount + random.Between(1, 3);
    }

    internal void BeforeReading(int life, string path)
    {
        RequireUp(life);
        BeforeRead?.Invoke(path);
        RequireUp(life);
        if (FailReadIn > 0 && --FailReadIn == 0) throw new IOException($"{path}: cannot be read: Input/output error (simulated)");
    }

    /// <summary>Whether a dirty page that is in hand is written back of the host's own accord. Not while flushes are lost: then nothing reaches the medium.</summary>
    internal bool WritesBackNow() => WritesBackEarly && !IsLosingFlushes && random.Chance(0.1);

    internal ulong NextNumber() => ++numbers;

    internal void Take(long bytes)
    {
        if (UsedBytes + bytes > CapacityBytes) throw new IOException("No space left on device (simulated)");
        UsedBytes += bytes;
    }

    internal void Give(long bytes) => UsedBytes -= bytes;
}
