namespace VmRepl.Journal.Scrub;

/// <summary>Keeps a scrub below its rate, by waiting between pieces of work, and lets it be cancelled there.</summary>
internal sealed class ScrubPace(ScrubOptions options, CancellationToken cancellation)
{
    private readonly long started = options.Time.GetTimestamp();
    private long readBytes;

    /// <summary>Bytes read so far.</summary>
    public long ReadBytes => readBytes;

    public TimeSpan Elapsed => options.Time.GetElapsedTime(started);

    /// <summary>After a piece: waits until it is time for the next one.</summary>
    public async Task SpendAsync(long bytes)
    {
        cancellation.ThrowIfCancellationRequested();
        readBytes += bytes;
        if (options.BytesPerSecond <= 0) return;
        var due = TimeSpan.FromSeconds((double)readBytes / options.BytesPerSecond) - Elapsed;
        if (due > TimeSpan.FromMilliseconds(1)) await Task.Delay(due, options.Time, cancellation);
    }
}
