namespace VmRepl.Blocks.Decorators;

/// <summary>A device that tells of each request when it has ended.</summary>
/// <param name="below">Not its own.</param>
/// <param name="sink">Is told on the request's own thread, of concurrent requests concurrently.</param>
/// <param name="time">Of the durations; only its timestamps are used.</param>
public sealed class LoggedDevice(IBlockDevice below, Action<LoggedRequest> sink, TimeProvider time) : DecoratedDevice(below)
{
    protected override long Before(DeviceOperation operation, long offset, long length) => time.GetTimestamp();

    protected override void After(DeviceOperation operation, long offset, long length, long state, Exception? failure) =>
        sink(new LoggedRequest(operation, offset, length, time.GetElapsedTime(state), failure));
}
