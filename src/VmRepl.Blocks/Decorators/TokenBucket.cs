namespace VmRepl.Blocks.Decorators;

/// <summary>Fills at a rate, up to a second's worth; may be emptied into debt, which says how long to wait.</summary>
internal sealed class TokenBucket
{
    private readonly double perSecond;
    private readonly TimeProvider time;
    private double tokens;
    private long filled;

    public TokenBucket(double perSecond, TimeProvider time)
    {
        (this.perSecond, this.time) = (perSecond, time);
        (tokens, filled) = (perSecond, time.GetTimestamp());
    }

    /// <returns>How long whoever takes them has to wait.</returns>
    public TimeSpan Take(double count)
    {
        if (perSecond <= 0 || count <= 0) return TimeSpan.Zero;
        var now = time.GetTimestamp();
        tokens = Math.Min(perSecond, tokens + (time.GetElapsedTime(filled, now).TotalSeconds * perSecond)) - count;
        filled = now;
        return tokens >= 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(-tokens / perSecond);
    }
}
