namespace VmRepl.Blocks.Decorators;

/// <summary>A slow device: each request waits first.</summary>
/// <param name="below">Not its own.</param>
/// <param name="delay">The least that a request of each kind waits.</param>
/// <param name="jitter">The most that is added, evenly spread; zero for none.</param>
/// <param name="seed">Of the jitter.</param>
/// <param name="wait">How time passes, so that whoever tests owns it.</param>
public sealed class DelayedDevice(IBlockDevice below, Func<DeviceOperation, TimeSpan> delay, TimeSpan jitter, int seed, Action<TimeSpan> wait) : DecoratedDevice(below)
{
    private readonly Random random = new(seed);
    private readonly Lock gate = new();

    protected override long Before(DeviceOperation operation, long offset, long length)
    {
        var time = delay(operation);
        lock (gate) time += jitter * random.NextDouble();
        if (time > TimeSpan.Zero) wait(time);
        return 0;
    }
}
