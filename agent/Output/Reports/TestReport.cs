namespace VmRepl.Agent.Output.Reports;

/// <summary>A test failover that was recorded.</summary>
/// <param name="By">Hypervisor, version and accelerator.</param>
public sealed record TestReport(ulong Sequence, DateTimeOffset Started, bool Passed, string Check, string? Reason, long? UpMs, long? CheckedMs, long EndedMs, string By, string Host);
