namespace VmRepl.Replication.Source;

/// <summary>Whether a link is without a connection that gets somewhere, and since when. Safe for concurrent use.</summary>
/// <param name="limit">Null: for as long as it takes.</param>
/// <param name="tooLong">Called whenever it has lasted for another <paramref name="limit"/>.</param>
internal sealed class LinkAbsence(TimeSpan? limit, TimeProvider time, Action tooLong) : IDisposable
{
    private readonly Lock gate = new();
    private ITimer? timer;

    /// <summary>The connection broke.</summary>
    public void Begin()
    {
        if (limit is not { } longest) return;
        lock (gate) timer ??= time.CreateTimer(_ => tooLong(), null, longest, longest);
    }

    /// <summary>There is one again, and it gets on.</summary>
    public void End()
    {
        lock (gate)
        {
            timer?.Dispose();
            timer = null;
        }
    }

    public void Dispose() => End();
}
