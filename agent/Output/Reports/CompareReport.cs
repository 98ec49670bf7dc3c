namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl image compare</c> prints.</summary>
/// <param name="FirstDifference">Byte offset, or null where the disks are equal.</param>
/// <param name="Reason">What differs, or null where the disks are equal.</param>
public sealed record CompareReport(bool Equal, long? FirstDifference, string? Reason);
