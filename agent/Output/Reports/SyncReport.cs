namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl sync</c> prints.</summary>
/// <param name="Point">The point that the round made.</param>
/// <param name="BytesSent">Bytes put on the connection by the round, everything included.</param>
/// <param name="DigestBytesSent">The part of them that were digests.</param>
/// <param name="ChangedBytes">Bytes of the disks found changed.</param>
public sealed record SyncReport(string Group, RecoveryPointReport Point, long BytesSent, long DigestBytesSent, long ChangedBytes, double DurationSeconds);
