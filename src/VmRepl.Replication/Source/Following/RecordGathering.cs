namespace VmRepl.Replication.Source.Following;

/// <summary>
/// Lets records gather, so that many go in one message: a message costs both sides some system calls and a flush, whatever is in it. The first after a pause goes out at once. Where a guest waits for the replica, what comes while a message is
/// on its way goes out when that is acknowledged, however soon that is. Not safe for concurrent use.
/// </summary>
/// <param name="longest">That a record waits.</param>
/// <param name="answered">Where a guest waits: ends when the replica has acknowledged what was sent.</param>
internal sealed class RecordGathering(TimeSpan longest, TimeProvider time, Func<CancellationToken, Task>? answered = null)
{
    /// <summary>More in one message brings little more, bytes.</summary>
    public const long EnoughBytes = 256 << 10;

    private long? lastSent;

    /// <param name="waiting">Bytes of what could be sent now.</param>
    public Task WaitAsync(long waiting, CancellationToken cancellation)
    {
        if (lastSent is not { } last || longest == TimeSpan.Zero || waiting >= EnoughBytes) return Task.CompletedTask;
        if (answered is not null) return answered(cancellation) is { IsCompleted: false } answer ? Task.WhenAny(answer, Task.Delay(longest, time, cancellation)) : Task.CompletedTask;
        var left = longest - time.GetElapsedTime(last);
        return left > TimeSpan.Zero ? Task.Delay(left, time, cancellation) : Task.CompletedTask;
    }

    public void NoteSent() => lastSent = time.GetTimestamp();
}
