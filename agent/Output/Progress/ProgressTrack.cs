namespace VmRepl.Agent.Output.Progress;

/// <summary>One line of progress. Reported from any thread; read by the one that draws.</summary>
internal sealed class ProgressTrack(string title, long totalBytes, TimeProvider time) : IProgress<long>
{
    private readonly RateMeter meter = new(time);
    private long doneBytes;

    public string Title { get; } = Printable.Line(title);

    /// <summary>Negative where it is not known.</summary>
    public long TotalBytes { get; } = totalBytes;

    public long DoneBytes => Volatile.Read(ref doneBytes);

    /// <summary>0 to 1; 0 where the total is not known.</summary>
    public double Fraction => TotalBytes switch
    {
        < 0 => 0,
        0 => 1,
        _ => Math.Clamp((double)DoneBytes / TotalBytes, 0, 1),
    };

    public bool IsAllDone => TotalBytes >= 0 && DoneBytes >= TotalBytes;

    public TimeSpan Elapsed => meter.Elapsed;

    public void Report(long value) => Volatile.Write(ref doneBytes, value);

    /// <summary>"1.2 GiB of 2 GiB  612 MiB/s  2 s left". Takes a sample, so only the thread that draws may call it.</summary>
    public string Describe()
    {
        var done = DoneBytes;
        var rate = meter.Sample(done);
        var amount = TotalBytes < 0 ? Quantities.Size(done) : $"{Quantities.Size(done)} of {Quantities.Size(TotalBytes)}";
        if (IsAllDone) return $"{amount}  {Quantities.Rate(meter.Average(done))}  {Quantities.Duration(Elapsed)}";
        if (rate <= 0) return amount;
        var left = TotalBytes < 0 ? "" : $"  {Quantities.TimeLeft(TimeSpan.FromSeconds(Math.Min((TotalBytes - done) / rate, 1e9)))} left";
        return $"{amount}  {Quantities.Rate(rate)}{left}";
    }

    /// <summary>"2 GiB in 3.4 s (602 MiB/s)".</summary>
    public string Summary() => $"{Quantities.Size(DoneBytes)} in {Quantities.Duration(Elapsed)} ({Quantities.Rate(meter.Average(DoneBytes))})";
}
