namespace VmRepl.Agent.Tests.Output;

/// <summary>Time that passes when a test says so.</summary>
internal sealed class SteppedTime : TimeProvider
{
    private readonly Lock gate = new();
    private readonly List<Alarm> alarms = [];
    private TimeSpan now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp()
    {
        lock (gate) return now.Ticks;
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        lock (gate)
        {
            var alarm = new Alarm(this, callback, state, dueTime == Timeout.InfiniteTimeSpan ? TimeSpan.MaxValue : now + dueTime);
            alarms.Add(alarm);
            return alarm;
        }
    }

    /// <summary>Whether somebody waits.</summary>
    public bool HasAlarm
    {
        get
        {
            lock (gate) return alarms.Count > 0;
        }
    }

    public void Advance(TimeSpan by)
    {
        List<Alarm> due;
        lock (gate)
        {
            now += by;
            due = alarms.FindAll(a => a.At <= now);
            alarms.RemoveAll(a => a.At <= now);
        }

        foreach (var alarm in due) alarm.Ring();
    }

    private sealed class Alarm(SteppedTime time, TimerCallback callback, object? state, TimeSpan at) : ITimer
    {
        public TimeSpan At { get; private set; } = at;

        public void Ring() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time.gate)
            {
                time.alarms.Remove(this);
                At = dueTime == Timeout.InfiniteTimeSpan ? TimeSpan.MaxValue : time.now + dueTime;
                time.alarms.Add(this);
            }

            return true;
        }

        public void Dispose()
        {
            lock (time.gate) time.alarms.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
