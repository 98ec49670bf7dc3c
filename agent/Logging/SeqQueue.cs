namespace VmRepl.Agent.Logging;

/// <summary>Events that wait to be sent, bounded in number and in bytes. What finds no room is dropped and counted. Safe for concurrent use; nobody waits.</summary>
internal sealed class SeqQueue(int limit, long limitBytes)
{
    private readonly Lock gate = new();
    private readonly Queue<byte[]> events = new();
    private long bytes;
    private long dropped;
    private bool isClosed;

    /// <summary>Events that wait.</summary>
    public int Count
    {
        get
        {
            lock (gate) return events.Count;
        }
    }

    /// <summary>Counts one event as dropped if there is certainly no room, so that it need not be formatted.</summary>
    public bool DropIfFull()
    {
        lock (gate)
        {
            if (!isClosed && events.Count < limit && bytes < limitBytes) return false;
            dropped++;
            return true;
        }
    }

    /// <summary>Adds an event; false if it was dropped.</summary>
    public bool TryAdd(byte[] added)
    {
        lock (gate)
        {
            if (isClosed || events.Count >= limit || bytes + added.Length > limitBytes)
            {
                dropped++;
                return false;
            }

            events.Enqueue(added);
            bytes += added.Length;
            return true;
        }
    }

    /// <summary>Takes the oldest events: at most <paramref name="countMax"/>, and at most <paramref name="bytesMax"/> unless the first alone is longer.</summary>
    public List<byte[]> Take(int countMax, long bytesMax)
    {
        var taken = new List<byte[]>();
        lock (gate)
        {
            long takenBytes = 0;
            while (taken.Count < countMax && events.TryPeek(out var next) && (taken.Count == 0 || takenBytes + next.Length <= bytesMax))
            {
                taken.Add(events.Dequeue());
                takenBytes += next.Length;
            }

            bytes -= takenBytes;
        }

        return taken;
    }

    /// <summary>Events dropped since this was last asked.</summary>
    public long TakeDropped()
    {
        lock (gate)
        {
            var taken = dropped;
            dropped = 0;
            return taken;
        }
    }

    /// <summary>From here on everything is dropped: it would wait for nobody.</summary>
    public void Close()
    {
        lock (gate) isClosed = true;
    }
}
