using Spectre.Console;

namespace VmRepl.Agent.Output.Progress;

/// <summary>The bars on a terminal. The only place where progress needs Spectre.Console, which is loaded only when something takes long.</summary>
internal static class ProgressBars
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(150);

    /// <summary>Draws until <paramref name="running"/> ends, well or not.</summary>
    public static async Task ShowAsync(TextWriter writer, TerminalShape terminal, ProgressTracks tracks, Task running, TimeProvider time)
    {
        var console = Terminal.Create(writer, terminal);
        var shown = new Dictionary<int, ProgressTrack>();
        await console.Progress()
            .AutoClear(false)
            .HideCompleted(false)
            .Columns(new TrackTitleColumn(shown), new ProgressBarColumn { Width = Math.Clamp(terminal.Columns / 4, 10, 40) }, new PercentageColumn(), new TrackMeterColumn(shown))
            .StartAsync(async context =>
            {
                var tasks = new List<ProgressTask>();
                while (true)
                {
                    var ended = running.IsCompleted;
                    var snapshot = tracks.Snapshot();
                    for (var i = 0; i < snapshot.Count; i++)
                    {
                        if (i == tasks.Count) tasks.Add(Start(context, snapshot[i], shown));
                        tasks[i].Value = snapshot[i].Fraction;
                    }

                    context.Refresh();
                    if (ended) return;
                    await Task.WhenAny(running, Task.Delay(Interval, time));
                }
            });
    }

    private static ProgressTask Start(ProgressContext context, ProgressTrack track, Dictionary<int, ProgressTrack> shown)
    {
        var task = context.AddTask("-", autoStart: false, maxValue: 1);
        // Known to the columns before the first drawing, which happens on a thread of Spectre's own.
        lock (shown) shown[task.Id] = track;
        task.IsIndeterminate = track.TotalBytes < 0;
        task.StartTask();
        return task;
    }
}
