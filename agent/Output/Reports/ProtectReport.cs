namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl protect</c> prints.</summary>
/// <param name="Point">The first point; null with --no-wait.</param>
/// <param name="BytesSent">Bytes put on the connection by the baseline.</param>
public sealed record ProtectReport(string Group, string Phase, RecoveryPointReport? Point, IReadOnlyList<DiskStatus> Disks, long BytesSent, double DurationSeconds);
