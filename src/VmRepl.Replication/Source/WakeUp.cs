namespace VmRepl.Replication.Source;

/// <summary>Wakes everybody who waits for something to change, once for each change. Used under its owner's lock: what is looked at and the task that is waited for belong to one moment.</summary>
internal sealed class WakeUp
{
    private TaskCompletionSource next = New();

    /// <summary>Ends with the next change. Whoever waits goes on elsewhere, not under the lock.</summary>
    public Task Next => next.Task;

    public void Set()
    {
        var ended = next;
        next = New();
        ended.TrySetResult();
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
