namespace VmRepl.Replication.Source;

/// <summary>How far a round is. Read by others while it runs.</summary>
public sealed class RoundProgress
{
    private long totalBytes, doneBytes, changedBytes;

    /// <summary>Bytes of the disks that have to be looked at: their allocated bytes, rounded to regions.</summary>
    public long TotalBytes => Interlocked.Read(ref totalBytes);

    public long DoneBytes => Interlocked.Read(ref doneBytes);

    /// <summary>Bytes found to differ so far.</summary>
    public long ChangedBytes => Interlocked.Read(ref changedBytes);

    /// <summary>What the round waits for, as a sentence; null while it goes on.</summary>
    public string? Waiting { get; internal set; }

    internal void AddTotal(long bytes) => Interlocked.Add(ref totalBytes, bytes);

    internal void AddDone(long bytes) => Interlocked.Add(ref doneBytes, bytes);

    internal void AddChanged(long bytes) => Interlocked.Add(ref changedBytes, bytes);

    internal void Restart()
    {
        Interlocked.Exchange(ref totalBytes, 0);
        Interlocked.Exchange(ref doneBytes, 0);
        Interlocked.Exchange(ref changedBytes, 0);
    }
}
