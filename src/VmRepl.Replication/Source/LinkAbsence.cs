namespace VmRepl.Replication.Source;

/// <summary>Whether a link is without a connection that gets somewhere, and since when. Safe for concurrent use.</summary>
/// <param name="limit">Null: for as long as it takes.</param>
/// <param name="tooLong">Called whenever it has lasted for another <paramref name="limit"/>.</param>
internal sealed class LinkAbsence(TimeSpan? limit, TimeProvider time, Action tooLong) : IDisposable
{
    private readonly Lock gate = new();
    private ITimer? timer;

    /// <summary>Whether it is so now.</summary>
    public bool IsLasting { get; private set; }

    /// <summary>Since when it is so, or is not; microseconds since 1970. Attempts that get nowhere do not move it.</summary>
    public long SinceUs { get; private set; } = time.NowUs();

    /// <summary>The connection broke.</summary>
    public void Begin()
    {
        lock (gate)
        {
            if (!IsLasting) (IsLasting, SinceUs) = (true, time.NowUs());
            if (limit is { } longest) timer ??= time.CreateTimer(_ => tooLong(), null, longest, longest);
        }
    }

    /// <summary>There is one again, and it gets on.</summary>
    public void End()
    {
        lock (gate)
        {
            if (IsLasting) (IsLasting, SinceUs) = (false, time.NowUs());
            StopTimer();
        }
    }

    public void Dispose()
    {
        lock (gate) StopTimer();
    }

    private void StopTimer()
    {
        timer?.Dispose();
        timer = null;
    }
}
