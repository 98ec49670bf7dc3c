namespace VmRepl.Agent.Output.Reports;

/// <summary>What a failure prints on standard error with --json.</summary>
public sealed record FailureReport(FailureDescription Error);
