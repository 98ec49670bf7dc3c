namespace VmRepl.Replication.Source.Following;

/// <summary>How the replica was brought level when a link was made, and why.</summary>
/// <param name="TimeUs">When, microseconds since 1970.</param>
/// <param name="Decision">"baseline", "quick resync", "resync from an anchor" or "resync by digests".</param>
/// <param name="Cause">In words that go on from "because".</param>
/// <param name="MarkedBytes">Bytes that were marked then: the most that has to be looked at.</param>
public sealed record LinkDecision(long TimeUs, string Decision, string Cause, long MarkedBytes);
