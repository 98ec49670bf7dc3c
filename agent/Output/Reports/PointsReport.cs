namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl points</c> prints, oldest first: the points that records made, and the stretches in which every sequence is one.</summary>
public sealed record PointsReport(string Group, IReadOnlyList<PointReport> Points, IReadOnlyList<PointRunReport> Runs);
