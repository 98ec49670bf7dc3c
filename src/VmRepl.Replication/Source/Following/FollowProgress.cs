namespace VmRepl.Replication.Source.Following;

/// <summary>How far a baseline or resync is. Read by others while it runs.</summary>
internal sealed class FollowProgress(TimeProvider time)
{
    private long totalBytes, doneBytes, sentBytes, began, costBytes;

    /// <summary>Bytes that were to be brought over when it began.</summary>
    public long TotalBytes => Interlocked.Read(ref totalBytes);

    /// <summary>Bytes of them that are on their way or were found equal.</summary>
    public long DoneBytes => Interlocked.Read(ref doneBytes);

    /// <summary>Bytes of contents that were put into records.</summary>
    public long SentBytes => Interlocked.Read(ref sentBytes);

    /// <summary>Bytes of contents that were put into records since this was last asked.</summary>
    public long TakeCost() => Interlocked.Exchange(ref costBytes, 0);

    /// <summary>Bytes a second since it began.</summary>
    public double Rate => DoneBytes / Math.Max(0.001, time.GetElapsedTime(Interlocked.Read(ref began)).TotalSeconds);

    public void Begin(long bytes)
    {
        Interlocked.Exchange(ref totalBytes, bytes);
        Interlocked.Exchange(ref doneBytes, 0);
        Interlocked.Exchange(ref sentBytes, 0);
        Interlocked.Exchange(ref began, time.GetTimestamp());
    }

    public void Add(long done, long sent)
    {
        Interlocked.Add(ref doneBytes, done);
        Interlocked.Add(ref sentBytes, sent);
        Interlocked.Add(ref costBytes, sent);
    }
}
