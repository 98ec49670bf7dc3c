namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl clones</c> prints.</summary>
/// <param name="Clones">Oldest first.</param>
public sealed record ClonesReport(IReadOnlyList<CloneReport> Clones);
