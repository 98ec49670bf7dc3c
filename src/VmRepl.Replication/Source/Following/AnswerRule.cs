namespace VmRepl.Replication.Source.Following;

/// <summary>Decides when a write that is in the local image may be answered, by the group's acknowledgement mode. Safe for concurrent use.</summary>
/// <param name="promise">Of a sync group; null otherwise.</param>
internal sealed class AnswerRule(GroupStream stream, SyncPromise? promise, FollowOptions options, TimeProvider time)
{
    // Semi-sync: whether the replica was too slow and has not caught up since.
    private volatile bool isBehind;

    /// <summary>Whether a write waits for the replica at all at present.</summary>
    public bool Waits => promise is not null || (options.Acknowledgement == AcknowledgementMode.SemiSync && !IsBehind());

    /// <summary>Whether a semi-sync group goes on as async for now.</summary>
    public bool GoesAsAsync => isBehind;

    /// <param name="atReplica">Durability of what was sent of the write; null where nothing was.</param>
    public ValueTask WaitAsync(Task<bool>? atReplica, CancellationToken cancellation)
    {
        if (promise is not null) return promise.WaitAsync(atReplica, cancellation);
        return atReplica is null || options.Acknowledgement == AcknowledgementMode.Async ? default : WaitAWhileAsync(atReplica, cancellation);
    }

    private async ValueTask WaitAWhileAsync(Task<bool> atReplica, CancellationToken cancellation)
    {
        using var done = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var pause = Task.Delay(options.SemiSyncWait, time, done.Token);
        if (await Task.WhenAny(atReplica, pause) == pause) isBehind = true;
        await done.CancelAsync();
    }

    private bool IsBehind()
    {
        if (!isBehind && stream.LagBytes > options.SemiSyncLagBytes) isBehind = true;
        if (isBehind && stream is { IsInSync: true, LagBytes: 0 }) isBehind = false;
        return isBehind;
    }
}
