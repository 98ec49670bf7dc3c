namespace VmRepl.Replication.Source.Following;

/// <summary>Decides when a write that is in the local image may be answered, by the group's acknowledgement mode. Safe for concurrent use.</summary>
/// <param name="promise">Of a sync group; null otherwise.</param>
internal sealed class AnswerRule(GroupStream stream, SyncPromise? promise, FollowOptions options, TimeProvider time)
{
    /// <summary>Longest that a write of a sync group waits for the replica before the promise has begun: long enough for the backlog to go down whatever the guest writes, too short to be a stall.</summary>
    private static readonly TimeSpan CatchUpWait = TimeSpan.FromMilliseconds(25);

    // Semi-sync: whether the replica was too slow and has not caught up since.
    private volatile bool isBehind;

    /// <summary>Whether a write waits for the replica at all at present.</summary>
    public bool Waits => promise is not null || (options.Acknowledgement == AcknowledgementMode.SemiSync && !IsBehind());

    /// <summary>Whether a semi-sync group goes on as async for now.</summary>
    public bool GoesAsAsync => isBehind;

    /// <param name="atReplica">Durability of what was sent of the write; null where nothing was.</param>
    public ValueTask WaitAsync(Task<bool>? atReplica, CancellationToken cancellation)
    {
        if (promise is not null) return promise.IsHeld || atReplica is null || !stream.IsInSync ? promise.WaitAsync(atReplica, cancellation) : CatchUpAsync(promise, atReplica, cancellation);
        return atReplica is null || options.Acknowledgement == AcknowledgementMode.Async ? default : WaitAWhileAsync(atReplica, cancellation);
    }

    private async ValueTask WaitAWhileAsync(Task<bool> atReplica, CancellationToken cancellation)
    {
        if (!await IsThereWithinAsync(options.SemiSyncWait, atReplica, cancellation)) isBehind = true;
    }

    private async ValueTask CatchUpAsync(SyncPromise made, Task<bool> atReplica, CancellationToken cancellation)
    {
        await IsThereWithinAsync(CatchUpWait, atReplica, cancellation);
        // It may have begun meanwhile.
        await made.WaitAsync(atReplica, cancellation);
    }

    private async Task<bool> IsThereWithinAsync(TimeSpan limit, Task<bool> atReplica, CancellationToken cancellation)
    {
        using var done = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var isThere = await Task.WhenAny(atReplica, Task.Delay(limit, time, done.Token)) == atReplica;
        await done.CancelAsync();
        return isThere;
    }

    private bool IsBehind()
    {
        if (!isBehind && stream.LagBytes > options.SemiSyncLagBytes) isBehind = true;
        if (isBehind && stream is { IsInSync: true, LagBytes: 0 }) isBehind = false;
        return isBehind;
    }
}
