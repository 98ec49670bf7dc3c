namespace VmRepl.Replication.Source.Following;

/// <summary>
/// Lets records that nobody waits for gather, so that many go in one message: a message costs both sides some system calls and a flush, whatever is in it. The first after a pause goes out at once. Not safe for concurrent use.
/// </summary>
/// <param name="longest">That a record waits; zero where somebody waits for them.</param>
internal sealed class RecordGathering(TimeSpan longest, TimeProvider time)
{
    // More in one message brings little more.
    private const long EnoughBytes = 256 << 10;

    private long? lastSent;

    /// <param name="waiting">Bytes of what could be sent now.</param>
    public Task WaitAsync(long waiting, CancellationToken cancellation)
    {
        if (lastSent is not { } last || longest == TimeSpan.Zero || waiting >= EnoughBytes) return Task.CompletedTask;
        var left = longest - time.GetElapsedTime(last);
        return left > TimeSpan.Zero ? Task.Delay(left, time, cancellation) : Task.CompletedTask;
    }

    public void NoteSent() => lastSent = time.GetTimestamp();
}
