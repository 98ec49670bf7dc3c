namespace VmRepl.Agent.Output.Reports;

/// <summary>How a replica was brought level.</summary>
/// <param name="Decision">"baseline", "quick resync", "resync from an anchor" or "resync by digests".</param>
/// <param name="Cause">In words that go on from "because".</param>
/// <param name="MarkedBytes">Bytes that were marked as possibly different: the most that had to be looked at.</param>
/// <param name="BroughtOverBytes">Bytes of contents that were sent for it, apart from what the guest wrote meanwhile; null while it goes on, and where it came to no end.</param>
/// <param name="Times">How often it was decided so in a row.</param>
public sealed record DecisionReport(DateTimeOffset Time, string Decision, string Cause, long MarkedBytes, long? BroughtOverBytes, int Times);
