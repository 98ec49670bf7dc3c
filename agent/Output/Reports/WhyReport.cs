namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl why</c> prints.</summary>
/// <param name="Decisions">Oldest first, the last 50.</param>
public sealed record WhyReport(string Group, IReadOnlyList<DecisionReport> Decisions);
