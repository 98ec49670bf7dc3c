namespace VmRepl.Blocks.Decorators;

/// <summary>A device that takes so many requests, and moves so many bytes, a second: a request waits until both are there. What is saved up while nothing happens is a second's worth at most.</summary>
/// <param name="below">Not its own.</param>
/// <param name="bytesPerSecond">Of reads and writes; 0 for no limit.</param>
/// <param name="requestsPerSecond">Of every kind; 0 for no limit.</param>
/// <param name="time">Only its timestamps are used.</param>
/// <param name="wait">How time passes, so that whoever tests owns it.</param>
public sealed class RateLimitedDevice(IBlockDevice below, double bytesPerSecond, double requestsPerSecond, TimeProvider time, Action<TimeSpan> wait) : DecoratedDevice(below)
{
    private readonly TokenBucket bytes = new(bytesPerSecond, time);
    private readonly TokenBucket requests = new(requestsPerSecond, time);
    private readonly Lock gate = new();

    protected override long Before(DeviceOperation operation, long offset, long length)
    {
        TimeSpan due;
        lock (gate)
        {
            var moved = operation is DeviceOperation.Read or DeviceOperation.Write ? length : 0;
            due = TimeSpan.FromTicks(Math.Max(bytes.Take(moved).Ticks, requests.Take(1).Ticks));
        }

        // Outside the lock: those behind reckon with what was taken here.
        if (due > TimeSpan.Zero) wait(due);
        return 0;
    }
}
