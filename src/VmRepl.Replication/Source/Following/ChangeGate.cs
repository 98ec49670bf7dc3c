namespace VmRepl.Replication.Source.Following;

/// <summary>
/// What every change of a group passes between being marked and being stamped. It can be closed: then those that passed end, and the rest wait before it, so that there is a moment at which every record
/// that has its place is in the local images and no other is. Marks are made durable before it, so nobody who is waited for waits for the disk of the agent's state. Safe for concurrent use.
/// </summary>
internal sealed class ChangeGate
{
    private readonly Lock gate = new();
    private int inside;

    // Both are there while it is closed.
    private TaskCompletionSource? opened, drained;

    /// <summary>Passes; completes at once where it is open.</summary>
    public ValueTask EnterAsync()
    {
        Task closed;
        lock (gate)
        {
            if (opened is null)
            {
                inside++;
                return default;
            }

            closed = opened.Task;
        }

        return EnterAfterAsync(closed);
    }

    public void Exit()
    {
        TaskCompletionSource? last = null;
        lock (gate)
        {
            if (--inside == 0) last = drained;
        }

        // Whoever waits goes on here: another thread for it would make the hold longer.
        last?.TrySetResult();
    }

    /// <summary>Lets nobody pass any more.</summary>
    /// <returns>Ends when everybody who passed has ended.</returns>
    /// <exception cref="InvalidOperationException">It is closed.</exception>
    public Task Close()
    {
        lock (gate)
        {
            if (opened is not null) throw new InvalidOperationException("the gate is closed");
            opened = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            drained = new TaskCompletionSource();
            if (inside == 0) drained.SetResult();
            return drained.Task;
        }
    }

    /// <summary>Everybody who waits passes.</summary>
    public void Open()
    {
        TaskCompletionSource? waited;
        lock (gate) (waited, opened, drained) = (opened, null, null);
        waited?.SetResult();
    }

    private async ValueTask EnterAfterAsync(Task closed)
    {
        await closed;
        await EnterAsync();
    }
}
