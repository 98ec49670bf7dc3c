namespace VmRepl.Agent.Output.Progress;

/// <summary>Bytes per second over the last seconds: slow enough to be read, quick enough to show a stall.</summary>
internal sealed class RateMeter(TimeProvider time)
{
    private const int SamplesMax = 64;

    private static readonly TimeSpan Window = TimeSpan.FromSeconds(8);

    private readonly long start = time.GetTimestamp();

    // Two rings instead of a queue of pairs, which would have to be compiled at each start.
    private readonly TimeSpan[] at = new TimeSpan[SamplesMax];
    private readonly long[] done = new long[SamplesMax];
    private int oldest;
    private int count = 1;

    public TimeSpan Elapsed => time.GetElapsedTime(start);

    /// <summary>Takes a sample and returns the rate over the window that ends with it.</summary>
    public double Sample(long doneBytes)
    {
        var now = Elapsed;
        if (count == SamplesMax) Drop();
        var newest = (oldest + count++) % SamplesMax;
        (at[newest], done[newest]) = (now, doneBytes);
        while (count > 2 && now - at[oldest] > Window) Drop();
        return now > at[oldest] ? Math.Max(0, doneBytes - done[oldest]) / (now - at[oldest]).TotalSeconds : 0;
    }

    /// <summary>The rate since the beginning.</summary>
    public double Average(long doneBytes) => Elapsed > TimeSpan.Zero ? doneBytes / Elapsed.TotalSeconds : 0;

    private void Drop()
    {
        oldest = (oldest + 1) % SamplesMax;
        count--;
    }
}
