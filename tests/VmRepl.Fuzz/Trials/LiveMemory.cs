namespace VmRepl.Fuzz.Trials;

/// <summary>
/// Measures what a trial holds at most: after every 8 MiB that its thread allocated, at the next access to a file, everything unreachable is collected and the rest counted. What is allocated and let go between
/// two accesses is not seen; a buffer that something is read into is. Nothing else may run meanwhile.
/// </summary>
internal sealed class LiveMemory(Func<long> ownBytes)
{
    private const long StepBytes = 8 << 20;

    private readonly long idle = Collected();
    private long next = GC.GetAllocatedBytesForCurrentThread() + StepBytes;

    /// <summary>Bytes above the idle process, the files' own pages taken off.</summary>
    public long PeakBytes { get; private set; }

    /// <summary>What was being done then.</summary>
    public string PeakStep { get; private set; } = "";

    public string PeakStack { get; private set; } = "";

    public void Look(string step)
    {
        if (GC.GetAllocatedBytesForCurrentThread() < next) return;
        var held = Collected() - idle - ownBytes();
        if (held > PeakBytes) (PeakBytes, PeakStep, PeakStack) = (held, step, Environment.StackTrace);
        next = GC.GetAllocatedBytesForCurrentThread() + StepBytes;
    }

    private static long Collected()
    {
        GC.Collect();
        return GC.GetTotalMemory(forceFullCollection: false);
    }
}
