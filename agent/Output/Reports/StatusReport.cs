namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl status</c> prints.</summary>
public sealed record StatusReport(IReadOnlyList<GroupStatus> Groups);
