using VmRepl.Protocol.Messages;

namespace VmRepl.Replication.Source;

/// <summary>
/// All that the replica is not known to have, in order, and the credit that it goes out on: what went out on the present connection, and what is to go out on it before anything new.
/// Its bytes are bounded by the replica's credit. Used under the link's lock.
/// </summary>
internal sealed class LinkBacklog
{
    private readonly Queue<SentRecord> unacknowledged = [];
    private readonly Queue<SentRecord> resending = [];
    private long sentBytes;
    private long resendingBytes;
    private long grantedBytes;
    // What the connection's next message follows: the newest that went out on it, or what was durable when it began.
    private ulong previous;

    /// <summary>Newest sequence that was put here.</summary>
    public ulong LastSent { get; private set; }

    /// <summary>Number of records that went out on this connection and are not acknowledged.</summary>
    public int UnacknowledgedCount => unacknowledged.Count;

    public bool IsResending => resending.Count > 0;

    public bool IsEmpty => unacknowledged.Count == 0 && resending.Count == 0;

    /// <summary>Bytes granted and not used.</summary>
    public long CreditBytes => Math.Max(0, grantedBytes - sentBytes - resendingBytes);

    /// <summary>The first that is to go out again, or null.</summary>
    public SentRecord? NextToResend => resending.TryPeek(out var next) ? next : null;

    /// <summary>Whether so much more may be sent. One record may always, when nothing is under way.</summary>
    public bool HasCredit(long bytes) => sentBytes + resendingBytes + bytes <= grantedBytes || IsEmpty;

    public bool HasCreditToResend(long bytes) => sentBytes + bytes <= grantedBytes || unacknowledged.Count == 0;

    /// <summary>The first connection: what is sent follows this sequence.</summary>
    public void Begin(ulong durable) => LastSent = durable;

    /// <summary>Takes new records; their memory is held until they are acknowledged.</summary>
    /// <param name="areSent">Whether they go out now; else they queue behind what is to go out again: the order is the sequence's, always.</param>
    /// <returns>What went before them on this connection, where they go out now.</returns>
    public ulong Add(IReadOnlyList<SentRecord> records, bool areSent)
    {
        foreach (var record in records)
        {
            record.Memory?.Hold();
            (areSent ? unacknowledged : resending).Enqueue(record);
            if (areSent) sentBytes += CreditRule.Weigh(record.Record);
            else resendingBytes += CreditRule.Weigh(record.Record);
        }

        LastSent = records[^1].Record.Header.Sequence;
        return areSent ? Follow(LastSent) : 0;
    }

    /// <summary>A new connection: what the replica has is forgotten, everything else is to go out again. Credit is counted anew on each connection.</summary>
    public void Rebase(ulong durable, ulong creditBytes)
    {
        SentRecord[] all = [.. unacknowledged, .. resending];
        unacknowledged.Clear();
        resending.Clear();
        // What comes after baseline contents is durable only when they were taken, so this holds for them too.
        foreach (var record in all)
        {
            if (record.Record.Header.Sequence > durable) resending.Enqueue(record);
            else record.Memory?.Release();
        }

        previous = durable;
        sentBytes = 0;
        resendingBytes = resending.Sum(r => CreditRule.Weigh(r.Record));
        grantedBytes = Bytes(creditBytes);
    }

    /// <summary>The first that is to go out again goes out.</summary>
    /// <returns>What went before it on this connection.</returns>
    public ulong BeginResend()
    {
        var record = resending.Dequeue();
        unacknowledged.Enqueue(record);
        sentBytes += CreditRule.Weigh(record.Record);
        resendingBytes -= CreditRule.Weigh(record.Record);
        return Follow(record.Record.Header.Sequence);
    }

    /// <summary>Forgets what is acknowledged, and takes the credit.</summary>
    public void Take(Ack ack)
    {
        grantedBytes = Bytes(ack.CreditBytes);
        // Baseline contents count as taken when written; they are made durable as a whole, by the record that ends the baseline.
        while (unacknowledged.TryPeek(out var oldest) && oldest.Record.Header.Sequence <= (oldest.IsBaseline ? Math.Max(ack.Received, ack.Durable) : ack.Durable)) unacknowledged.Dequeue().Memory?.Release();
    }

    private ulong Follow(ulong sequence)
    {
        var before = previous;
        previous = sequence;
        return before;
    }

    private static long Bytes(ulong credit) => (long)Math.Min(credit, long.MaxValue / 2);
}
