namespace VmRepl.Replication.Source.Following;

/// <summary>
/// What was stamped and is on its way: records that wait to be sent, and *flights*, one for each record until the replica has it. Bounded by whoever adds. Not safe for concurrent use: under the stream's lock,
/// but for <see cref="HeldBytes"/>, which may be read at any time.
/// </summary>
internal sealed class StreamQueue
{
    private readonly Queue<SentRecord> waiting = [];
    private readonly Queue<Flight> flights = [];
    private long heldBytes;

    /// <summary>Bytes of records that were not sent yet.</summary>
    public long WaitingBytes { get; private set; }

    /// <summary>Bytes of records that the replica does not have yet.</summary>
    public long HeldBytes => Volatile.Read(ref heldBytes);

    /// <summary>When the oldest flight was stamped, microseconds since 1970; null where there is none.</summary>
    public long? OldestUs => flights.TryPeek(out var oldest) ? oldest.TimeUs : null;

    public bool IsAllThere => flights.Count == 0;

    /// <summary>Whether the replica has everything that was sent.</summary>
    public bool IsAllSentThere => flights.Count == waiting.Count;

    public bool HasWaiting => waiting.Count > 0;

    /// <returns>Whether it is the only one that waits.</returns>
    public bool Add(SentRecord record, Flight flight)
    {
        record.Memory?.Hold();
        waiting.Enqueue(record);
        WaitingBytes += SentBytes(record);
        flights.Enqueue(flight);
        heldBytes += flight.Weight;
        return waiting.Count == 1;
    }

    /// <summary>The next records to send, all of a baseline or none, in order; about a MiB at the most.</summary>
    public List<SentRecord> NextBatch()
    {
        const long bytesMax = 1 << 20;
        var batch = new List<SentRecord>();
        long bytes = 0;
        while (waiting.TryPeek(out var next) && batch.Count < 4096 && (batch.Count == 0 || (next.IsBaseline == batch[0].IsBaseline && bytes + next.Record.PayloadLength <= bytesMax)))
        {
            bytes += SentBytes(next);
            batch.Add(waiting.Dequeue());
        }

        WaitingBytes -= bytes;
        return batch;
    }

    /// <summary>Takes out the oldest flight where the replica has it by now.</summary>
    /// <param name="received">Newest sequence that the replica has in memory, which is enough for a baseline; 0 where it did not say.</param>
    /// <param name="durable">Newest sequence durable there: by then it has every baseline record before it, too.</param>
    public bool TryEnd(ulong received, ulong durable, out Flight flight)
    {
        if (!flights.TryPeek(out flight) || flight.Sequence > (flight.IsBaseline ? Math.Max(received, durable) : durable)) return false;
        flights.Dequeue();
        heldBytes -= flight.Weight;
        return true;
    }

    /// <summary>Gives up everything.</summary>
    /// <returns>The flights that there were.</returns>
    public List<Flight> Clear()
    {
        while (waiting.TryDequeue(out var record)) record.Memory?.Release();
        WaitingBytes = 0;
        List<Flight> given = [.. flights];
        flights.Clear();
        heldBytes = 0;
        return given;
    }

    private static long SentBytes(SentRecord record) => record.Record.PayloadLength + 128;
}
