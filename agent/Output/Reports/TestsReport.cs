namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl test-failover --list</c> prints, oldest first.</summary>
public sealed record TestsReport(string Group, IReadOnlyList<TestReport> Tests);
