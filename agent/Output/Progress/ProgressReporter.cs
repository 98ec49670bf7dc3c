namespace VmRepl.Agent.Output.Progress;

/// <summary>
/// Shows work that takes long, on standard error: bars with rate and time left on a terminal, a plain line every few seconds elsewhere.
/// Nothing is shown for what is done within a second.
/// </summary>
public sealed class ProgressReporter
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan PlainInterval = TimeSpan.FromSeconds(5);

    private readonly TextWriter writer;
    private readonly TerminalShape? terminal;
    private readonly TimeProvider time;

    /// <param name="terminal">Null where <paramref name="writer"/> is no terminal.</param>
    public ProgressReporter(TextWriter writer, TerminalShape? terminal, TimeProvider time)
    {
        this.writer = writer;
        this.terminal = terminal;
        this.time = time;
    }

    /// <summary>Runs one piece of work that reports the bytes it has done so far.</summary>
    /// <param name="totalBytes">What there is to do; negative where that is not known.</param>
    public Task<T> RunAsync<T>(string title, long totalBytes, Func<IProgress<long>, Task<T>> work) =>
        RunAsync(group => work(group.Add(title, totalBytes)));

    /// <summary>Runs work of several lines. What the work throws is thrown when the display is gone.</summary>
    public async Task<T> RunAsync<T>(Func<IProgressGroup, Task<T>> work)
    {
        var tracks = new ProgressTracks(time);
        var running = work(tracks);
        if (!await EndsWithinAsync(running, Patience))
        {
            await ShowAsync(tracks, running);
        }

        return await running;
    }

    /// <summary>Runs one piece of work on the calling thread; only the display, if it comes to that, is on another.</summary>
    /// <param name="totalBytes">What there is to do; negative where that is not known.</param>
    public void Run(string title, long totalBytes, Action<IProgress<long>> work)
    {
        var tracks = new ProgressTracks(time);
        var ended = new TaskCompletionSource();
        Task? display = null;
        var patience = time.CreateTimer(
            _ =>
            {
                if (!ended.Task.IsCompleted) Volatile.Write(ref display, ShowAsync(tracks, ended.Task));
            },
            null,
            Patience,
            Timeout.InfiniteTimeSpan);
        try
        {
            work(tracks.Add(title, totalBytes));
            ended.SetResult();
        }
        catch
        {
            ended.SetCanceled(CancellationToken.None);
            throw;
        }
        finally
        {
            // Waits for a callback that runs right now, so that no display begins, or goes on, after what comes next is printed.
            patience.DisposeAsync().AsTask().GetAwaiter().GetResult();
            Volatile.Read(ref display)?.GetAwaiter().GetResult();
        }
    }

    private Task ShowAsync(ProgressTracks tracks, Task running) =>
        terminal is not null ? ProgressBars.ShowAsync(writer, terminal, tracks, running, time) : ShowLinesAsync(tracks, running);

    private async Task ShowLinesAsync(ProgressTracks tracks, Task running)
    {
        do
        {
            foreach (var track in tracks.Snapshot().Where(t => !t.IsAllDone))
                await writer.WriteLineAsync($"{track.Title}: {(track.TotalBytes > 0 ? $"{track.Fraction:0%} " : "")}{track.Describe()}");
        }
        while (!await EndsWithinAsync(running, PlainInterval));

        if (!running.IsCompletedSuccessfully) return;
        foreach (var track in tracks.Snapshot()) await writer.WriteLineAsync($"{track.Title}: done, {track.Summary()}");
    }

    private async Task<bool> EndsWithinAsync(Task running, TimeSpan patience)
    {
        using var waiting = new CancellationTokenSource();
        var first = await Task.WhenAny(running, Task.Delay(patience, time, waiting.Token));
        await waiting.CancelAsync();
        return first == running;
    }
}
