namespace VmRepl.Agent.Output.Reports;

/// <summary>The oldest and the newest moment that can be had.</summary>
public sealed record RecoveryRangeReport(DateTimeOffset From, DateTimeOffset To);
