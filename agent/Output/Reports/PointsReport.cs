namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl points</c> prints, oldest first.</summary>
public sealed record PointsReport(string Group, IReadOnlyList<PointReport> Points);
