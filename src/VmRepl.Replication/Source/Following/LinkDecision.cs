namespace VmRepl.Replication.Source.Following;

/// <summary>How the replica was brought level when a link was made or the stream fell behind, why, and what it cost.</summary>
/// <param name="TimeUs">When, microseconds since 1970.</param>
/// <param name="Decision">"baseline", "quick resync", "resync from an anchor" or "resync by digests".</param>
/// <param name="Cause">In words that go on from "because".</param>
/// <param name="MarkedBytes">Bytes that were marked then: the most that has to be looked at.</param>
public sealed record LinkDecision(long TimeUs, string Decision, string Cause, long MarkedBytes)
{
    /// <summary>Bytes of contents that were read and sent for it, apart from what the guest wrote meanwhile; null while it goes on, and where it came to no end.</summary>
    public long? BroughtOverBytes { get; init; }

    /// <summary>How often it was decided so in a row; the time is the last one's, the bytes brought over are those of all.</summary>
    public int Times { get; init; } = 1;
}
