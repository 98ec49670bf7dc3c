namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl scrub</c> prints.</summary>
/// <param name="ScannedBytes">Bytes of journal and live images that were read.</param>
/// <param name="RegionsVerified">Regions of live images (1 MiB each) compared with their digest.</param>
/// <param name="RegionsNew">Regions whose digest was taken.</param>
/// <param name="RegionsUnverified">Regions without a digest where none could be taken.</param>
/// <param name="DamageCount">How much damage there is; <paramref name="Damage"/> lists at most 1024.</param>
public sealed record ScrubResultReport(
    string Group, long ScannedBytes, long RegionsVerified, long RegionsNew, long RegionsUnverified, long DamageCount, IReadOnlyList<DamageReport> Damage, double DurationSeconds);
