using VmRepl.Simulation.Storage;

namespace VmRepl.Simulation.System;

/// <summary>A world's clock. It stands still while anything is ready; then it jumps to the next timer. The wall clock can be set, the clock behind the timers cannot.</summary>
internal sealed class SimulatedTime(SeededRandom random) : TimeProvider
{
    private readonly PriorityQueue<(Timer Timer, long Version), (long Due, ulong Tie)> due = new();
    private TimeSpan elapsed;
    private TimeSpan step;

    public TimeSpan Elapsed => elapsed;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => elapsed.Ticks;

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddYears(50) + elapsed + step;

    /// <summary>Somebody sets the clock.</summary>
    public void StepWallClock(TimeSpan by) => step += by;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Goes on to the next timer and calls it. False where there is none.</summary>
    public bool FireNext()
    {
        while (due.TryDequeue(out var next, out var when))
        {
            if (next.Timer.Version != next.Version) continue;
            elapsed = TimeSpan.FromTicks(Math.Max(elapsed.Ticks, when.Due));
            next.Timer.Fire();
            return true;
        }

        return false;
    }

    private sealed class Timer(SimulatedTime time, TimerCallback callback, object? state) : ITimer
    {
        private TimeSpan period;

        public long Version { get; private set; }

        public bool Change(TimeSpan dueTime, TimeSpan every)
        {
            Version++;
            period = every;
            if (dueTime != Timeout.InfiniteTimeSpan) time.due.Enqueue((this, Version), (time.elapsed.Ticks + dueTime.Ticks, time.NextTie()));
            return true;
        }

        public void Fire()
        {
            if (period > TimeSpan.Zero) Change(period, period);
            else Version++;
            callback(state);
        }

        public void Dispose() => Version++;

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }
    }

    // Timers of one moment are called in an order that the seed decides.
    private ulong NextTie() => random.Next64();
}
