namespace VmRepl.Journal.Rewind;

/// <summary>
/// The rate at which a journal lately took contents and applied them, checkpoints included. Older batches count less and less.
/// Small batches are left out: they measure how long a flush takes, and a rewind's batches are large. Safe for concurrent use.
/// </summary>
internal sealed class AppendRate
{
    private const long BatchBytesMin = 64 << 10;
    private const long BytesMin = 1 << 20;
    private const double WindowSeconds = 10;

    private readonly Lock gate = new();
    private double bytes, seconds;

    /// <summary>Bytes a second; null while too little was measured to tell.</summary>
    public double? BytesPerSecond
    {
        get
        {
            lock (gate) return bytes >= BytesMin && seconds > 0 ? bytes / seconds : null;
        }
    }

    /// <summary>A batch with that many bytes of payload took so long.</summary>
    public void Observe(long batchBytes, TimeSpan elapsed)
    {
        if (batchBytes < BatchBytesMin || elapsed <= TimeSpan.Zero) return;
        lock (gate)
        {
            bytes += batchBytes;
            seconds += elapsed.TotalSeconds;
            if (seconds <= WindowSeconds || bytes < 2 * BytesMin) return;
            bytes /= 2;
            seconds /= 2;
        }
    }
}
