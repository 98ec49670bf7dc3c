namespace VmRepl.Replication.Replica;

/// <summary>One session's part of a <see cref="CreditPool"/>. One thread at a time renews it; anybody may look.</summary>
internal sealed class SessionCredit : IDisposable
{
    private readonly CreditPool pool;
    private long granted;
    private long processed;
    private int hasLeft;

    /// <param name="entryBytes">Granted at once.</param>
    internal SessionCredit(CreditPool pool, long entryBytes)
    {
        this.pool = pool;
        granted = entryBytes;
    }

    /// <summary>Bytes granted since the session began, all in all. It never goes back.</summary>
    public long GrantedBytes => Interlocked.Read(ref granted);

    /// <summary>So many bytes of what came are dealt with; grants what the session's part has room for now.</summary>
    /// <returns>Bytes granted since the session began, all in all.</returns>
    public long Renew(long bytes)
    {
        processed += bytes;
        var room = pool.PartBytes - (granted - processed);
        return room > 0 ? Interlocked.Add(ref granted, room) : GrantedBytes;
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref hasLeft, 1) == 0) pool.Leave();
    }
}
