using VmRepl.Blocks;
using VmRepl.Replication.Source.Tracking;
using VmRepl.Simulation.Storage;

namespace VmRepl.Replication.Tests.Tracking;

/// <summary>A log on a simulated volume, whose process and host can end.</summary>
internal sealed class LogStage : IDisposable
{
    public const string Marks = "sda.marks", Active = "sda.active";

    private int boots = 1;

    public LogStage(long diskLength = 64 << 20, int exactMax = 100)
    {
        (DiskLength, ExactMax) = (diskLength, exactMax);
        Directory.Create();
        Volume.FlushRoot();
        Log = Open();
        Log.ClearSettled();
    }

    public SimulatedVolume Volume { get; } = new(1, 1L << 30);

    public SimulatedDirectory Directory => Volume.Directory("agent");

    public long DiskLength { get; set; }

    public int ExactMax { get; }

    public SimulatedTime Time { get; } = new();

    public Guid Boot { get; private set; } = new(1, 0, 0, new byte[8]);

    public DirtyRegionLog Log { get; private set; }

    public IReadOnlyList<Extent> Dirty => Log.Dirty(new Extent(0, DiskLength)).Extents;

    public async Task WriteAsync(long offset, long length, bool? clean = null)
    {
        if (!Log.TryBegin(new Extent(offset, length))) await Log.ActivateAsync(new Extent(offset, length));
        if (clean is { } c) Log.End(new Extent(offset, length), c);
    }

    /// <summary>The process ends, or the host, after which something may happen to the files; and the log is opened again.</summary>
    public void Restart(CrashKind kind, Action<SimulatedDirectory>? meanwhile = null)
    {
        Volume.Crash(kind);
        Volume.Restart();
        if (kind == CrashKind.PowerLoss) Boot = new Guid(++boots, 0, 0, new byte[8]);
        meanwhile?.Invoke(Directory);
        Log = Open();
    }

    public void Dispose() => Log.Dispose();

    private DirtyRegionLog Open() => DirtyRegionLog.Open(Directory, "sda", DiskLength, new DirtyLogOptions { BootId = Boot, Time = Time, ExactBucketsMax = ExactMax });
}
