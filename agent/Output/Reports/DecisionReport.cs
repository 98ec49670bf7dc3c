namespace VmRepl.Agent.Output.Reports;

/// <summary>How a replica was brought level.</summary>
/// <param name="Decision">"baseline", "quick resync", "resync from an anchor" or "resync by digests".</param>
/// <param name="Cause">In words that go on from "because".</param>
/// <param name="MarkedBytes">Bytes that were marked as possibly different: the most that had to be looked at.</param>
public sealed record DecisionReport(DateTimeOffset Time, string Decision, string Cause, long MarkedBytes);
