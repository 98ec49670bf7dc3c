namespace VmRepl.Agent.Output.Progress;

/// <summary>Bytes per second over the last seconds: slow enough to be read, quick enough to show a stall.</summary>
internal sealed class RateMeter(TimeProvider time)
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(8);

    private readonly long start = time.GetTimestamp();
    private readonly Queue<(TimeSpan At, long Done)> samples = new([(TimeSpan.Zero, 0L)]);

    public TimeSpan Elapsed => time.GetElapsedTime(start);

    /// <summary>Takes a sample and returns the rate over the window that ends with it.</summary>
    public double Sample(long done)
    {
        var now = Elapsed;
        samples.Enqueue((now, done));
        while (samples.Count > 2 && now - samples.Peek().At > Window) samples.Dequeue();
        var (at, before) = samples.Peek();
        return now > at ? Math.Max(0, done - before) / (now - at).TotalSeconds : 0;
    }

    /// <summary>The rate since the beginning.</summary>
    public double Average(long done) => Elapsed > TimeSpan.Zero ? done / Elapsed.TotalSeconds : 0;
}
