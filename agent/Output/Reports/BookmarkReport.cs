namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl bookmark</c> prints: the point that got the name.</summary>
public sealed record BookmarkReport(string Group, RecoveryPointReport Point);
