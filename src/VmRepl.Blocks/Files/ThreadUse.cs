namespace VmRepl.Blocks.Files;

/// <summary>What a thread has done since it began.</summary>
/// <param name="Waits">How often it gave its processor away to wait; negative where that is not known.</param>
/// <param name="WorkedUs">Processor time that it used, µs.</param>
public readonly record struct ThreadUse(long Waits, long WorkedUs)
{
    /// <summary>Nobody looked, or the system does not tell.</summary>
    public static ThreadUse Unknown => new(-1, 0);

    /// <summary>How much of a time it worked, µs; all of it where it did not wait, though it may have been without a processor, and nothing where that is not known.</summary>
    /// <param name="before">At the time's begin; this is at its end.</param>
    /// <param name="elapsedUs">The time, µs.</param>
    public double WorkedOf(in ThreadUse before, double elapsedUs)
    {
        if (before.Waits < 0 || Waits < 0) return 0;
        return Waits == before.Waits ? elapsedUs : Math.Min(elapsedUs, WorkedUs - before.WorkedUs);
    }
}
