namespace VmRepl.Fuzz.Trials;

/// <summary>What one mutant may cost, and how much of it is looked at.</summary>
public static class TrialLimits
{
    /// <summary>Processor time of a whole trial, all steps together: a thread's own, so that a busy machine makes no findings.</summary>
    public static readonly TimeSpan ProcessorTimeMax = TimeSpan.FromSeconds(1);

    /// <summary>From here on the next access to a file ends the trial.</summary>
    public static readonly TimeSpan WallTimeMax = TimeSpan.FromSeconds(20);

    /// <summary>A trial that makes no access to a file either is left to itself after this.</summary>
    public static readonly TimeSpan AbandonedAfter = TimeSpan.FromSeconds(60);

    /// <summary>Live memory above that of the idle process.</summary>
    public const long LiveBytesMax = 64 << 20;

    /// <summary>A trial that allocated less in all cannot have had more at once; one that allocated more is run again and measured.</summary>
    public const long AllocatedBytesSuspect = 48 << 20;

    public const int MapRunsMax = 20_000, ExtentsKept = 64;

    public const long ReadBytesMax = 512 << 10, CopyBytesMax = 2 << 20;
}
