namespace VmRepl.Replication.Source.Following;

/// <summary>Whether the promise of a sync group holds, since when, and how far the last one held.</summary>
public sealed record PromiseState
{
    public bool IsInForce { get; init; }

    /// <summary>Since when, microseconds since 1970; of the present promise or the last.</summary>
    public long SinceUs { get; init; }

    /// <summary>The sequence with which it began.</summary>
    public ulong FromSequence { get; init; }

    /// <summary>How the last one ended; null where none did.</summary>
    public End? Ended { get; init; }

    /// <param name="Sequence">Everything answered up to here is at the replica.</param>
    /// <param name="TimeUs">When, microseconds since 1970.</param>
    /// <param name="Reason">Why, in a sentence.</param>
    public sealed record End(ulong Sequence, long TimeUs, string Reason);
}
