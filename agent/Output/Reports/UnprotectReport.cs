namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl unprotect</c> prints.</summary>
/// <param name="Kept">What is left at the replica, in one sentence.</param>
public sealed record UnprotectReport(string Group, string Kept);
