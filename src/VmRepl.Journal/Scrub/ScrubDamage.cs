using VmRepl.Journal.Points;

namespace VmRepl.Journal.Scrub;

/// <summary>Something that a scrub found damaged.</summary>
/// <param name="Disk">The disk's name; null where no disk's sectors are concerned.</param>
/// <param name="FirstSector">First sector of 512 bytes concerned.</param>
/// <param name="SectorCount">Sectors concerned; 0 where no disk is.</param>
/// <param name="Where">What is damaged, and at which place of the store.</param>
/// <param name="PointCount">Points that are spoiled by it: they read what is damaged. The others do not.</param>
/// <param name="Points">The spoiled points, oldest first; at most <see cref="PointsMax"/> of them.</param>
public sealed record ScrubDamage(string? Disk, long FirstSector, long SectorCount, string Where, long PointCount, IReadOnlyList<RecoveryPoint> Points)
{
    public const int PointsMax = 256;
}
