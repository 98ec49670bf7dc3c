namespace VmRepl.Agent.Output.Reports;

/// <summary>A failure: what happened, what to do next, and which group it concerns.</summary>
public sealed record FailureDescription(string Message, string? Hint, string? Group);
