namespace VmRepl.Nbd.Client;

/// <summary>A point in time until which one waits.</summary>
internal readonly struct Deadline(TimeSpan limit)
{
    private readonly long endsMs = Environment.TickCount64 + (long)Math.Ceiling(limit.TotalMilliseconds);

    public bool IsOver => Environment.TickCount64 >= endsMs;

    /// <summary>Milliseconds, never below 0.</summary>
    public int LeftMs => (int)Math.Max(0, endsMs - Environment.TickCount64);
}
