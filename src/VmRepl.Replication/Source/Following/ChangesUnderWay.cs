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

    // Which drain is waited for, counted from 1; 0 where none is.
    private long draining, drains;

    /// <summary>Changes that were asked for while a drain was waited for, and were let in before its end: what a drain that holds nobody looks like.</summary>
    public long Passed { get; private set; }

    /// <summary>Changes that were asked for while a drain was waited for, and were let in only after its end: those it held up.</summary>
    public long Held { get; private set; }

    /// <returns>What <see cref="Exit"/> is to be told.</returns>
    public int Enter()
    {
        // Looked at before anything that a change could be kept waiting by.
        var asked = Volatile.Read(ref draining);
        lock (gate)
        {
            if (asked != 0 && asked == draining) Passed++;
            else if (asked != 0) Held++;
            counts[turn]++;
            return turn;
        }
    }

    public void Exit(int entered)
    {
        lock (gate)
        {
            if (--counts[entered] == 0 && entered != turn) EndDrain();
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
            Volatile.Write(ref draining, ++drains);
            if (counts[turn ^ 1] == 0) EndDrain();
            return drained.Task;
        }
    }

    private void EndDrain()
    {
        Volatile.Write(ref draining, 0);
        drained?.TrySetResult();
    }
}
