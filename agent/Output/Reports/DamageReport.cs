namespace VmRepl.Agent.Output.Reports;

/// <summary>Something damaged.</summary>
/// <param name="Disk">The disk's name, or null.</param>
/// <param name="FirstSector">First sector of 512 bytes.</param>
/// <param name="Where">What is damaged, and where in the store.</param>
/// <param name="PointCount">Points that it spoils; <paramref name="Points"/> lists at most 256 of them, oldest first.</param>
public sealed record DamageReport(string? Disk, long FirstSector, long SectorCount, string Where, long PointCount, IReadOnlyList<RecoveryPointReport> Points);
