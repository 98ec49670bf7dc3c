namespace VmRepl.Replication.Source.Following;

/// <summary>
/// The changes of a group that are being carried out, so that those which began before a moment can be waited for while new ones go on: a drain that holds nobody. Safe for concurrent use; one drain at a time.
/// </summary>
internal sealed class ChangesUnderWay
{
    private readonly Lock gate = new();
    private readonly int[] counts = new int[2];
    private int turn;
    private TaskCompletionSource? drained;

    /// <returns>What <see cref="Exit"/> is to be told.</returns>
    public int Enter()
    {
        lock (gate)
        {
            counts[turn]++;
            return turn;
        }
    }

    public void Exit(int entered)
    {
        lock (gate)
        {
            if (--counts[entered] == 0 && entered != turn) drained?.TrySetResult();
        }
    }

    /// <summary>Ends when every change that was entered before has ended.</summary>
    public Task DrainAsync()
    {
        lock (gate)
        {
            if (drained is { Task.IsCompleted: false }) throw new InvalidOperationException("a drain is under way");
            drained = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            turn ^= 1;
            if (counts[turn ^ 1] == 0) drained.TrySetResult();
            return drained.Task;
        }
    }
}
