namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl serve</c> prints.</summary>
/// <param name="Exports">In the group's order.</param>
public sealed record ServeReport(string Group, IReadOnlyList<ExportReport> Exports);
