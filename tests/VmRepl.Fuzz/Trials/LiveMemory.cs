namespace VmRepl.Fuzz.Trials;

/// <summary>
/// Measures what a trial holds at most: after every 8 MiB that its thread allocated, at the next access to a file, everything unreachable is collected and the rest counted. What is allocated between two accesses
/// counts as held at once. Nothing else may run meanwhile.
/// </summary>
internal sealed class LiveMemory(Func<long> ownBytes)
{
    private const long StepBytes = 8 << 20;

    private readonly long idle = Collected();
    private long last = GC.GetAllocatedBytesForCurrentThread();
    private long next = GC.GetAllocatedBytesForCurrentThread() + StepBytes;

    /// <summary>Bytes above the idle process, the files' own pages taken off.</summary>
    public long PeakBytes { get; private set; }

    /// <summary>What was being done then.</summary>
    public string PeakStep { get; private set; } = "";

    public string PeakStack { get; private set; } = "";

    public void Look(string step)
    {
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        var since = allocated - last;
        last = allocated;
        if (allocated < next) return;
        var held = Math.Max(since, Collected() - idle - ownBytes());
        if (held > PeakBytes) (PeakBytes, PeakStep, PeakStack) = (held, step, Environment.StackTrace);
        last = GC.GetAllocatedBytesForCurrentThread();
        next = last + StepBytes;
    }

    private static long Collected()
    {
        GC.Collect();
        return GC.GetTotalMemory(forceFullCollection: false);
    }
}
