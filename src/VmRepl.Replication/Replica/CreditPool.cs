namespace VmRepl.Replication.Replica;

/// <summary>
/// The bytes that a replica is ready to take from all its sessions together, shared fairly: each gets an equal part, at least <see cref="FloorBytes"/>, and the parts are cut anew as sessions come and go.
/// What was granted is never taken back, only not renewed: after a session has come the others use up what they have beyond their part, and until then more than the pool may be out.
/// </summary>
/// <param name="bytes">The pool.</param>
internal sealed class CreditPool(long bytes)
{
    /// <summary>The least that a session gets, however many there are; all of the pool where that is smaller.</summary>
    public const long FloorBytes = 4 << 20;

    // A session that has not sent anything yet may be one that never will: it gets more as it uses what it has.
    private const int EntryShare = 4;

    private int sessions;

    /// <summary>What a session may have out at this moment.</summary>
    public long PartBytes => Math.Max(Floor, bytes / Math.Max(1, Volatile.Read(ref sessions)));

    private long Floor => Math.Min(FloorBytes, bytes);

    /// <summary>A session comes; it leaves when what is returned is disposed.</summary>
    public SessionCredit Enter()
    {
        Interlocked.Increment(ref sessions);
        return new SessionCredit(this, Math.Max(Floor, Math.Min(PartBytes, bytes / EntryShare)));
    }

    internal void Leave() => Interlocked.Decrement(ref sessions);
}
