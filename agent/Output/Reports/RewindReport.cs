namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl rewind</c> prints.</summary>
/// <param name="Point">The point that the rewind made, the newest one now.</param>
/// <param name="To">The point gone to.</param>
/// <param name="RewoundBytes">Bytes of the disks that were put back.</param>
public sealed record RewindReport(string Group, RecoveryPointReport Point, RecoveryPointReport To, long RewoundBytes, double DurationSeconds);
