namespace VmRepl.Replication.Source.Tracking;

/// <summary>Segments that become active with one flush, and those who wait for it.</summary>
internal sealed class ActivationRound
{
    // Who waits goes on by itself, and not inside of who flushed.
    private readonly TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public HashSet<int> Segments { get; } = [];

    public Task Done => done.Task;

    public void Complete() => done.TrySetResult();

    public void Fail(Exception cause)
    {
        if (done.TrySetException(cause)) _ = done.Task.Exception;
    }
}
