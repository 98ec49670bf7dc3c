using VmRepl.Images;
using VmRepl.Journal.Points;

namespace VmRepl.Replication.Restore;

/// <summary>What a restore would do.</summary>
/// <param name="Point">The point.</param>
/// <param name="Disks">For each disk its file, format, size, and the bytes that would be read and written.</param>
/// <param name="FreeBytes">Free on the target's volume.</param>
/// <param name="BytesPerSecond">Measured by reading a part of the contents; 0 where there was nothing to read.</param>
public sealed record RestorePlan(RecoveryPoint Point, IReadOnlyList<RestorePlan.Disk> Disks, long FreeBytes, double BytesPerSecond)
{
    public long DataBytes => Disks.Sum(d => d.DataBytes);

    /// <summary>What one disk takes.</summary>
    public sealed record Disk(string Name, string File, ImageFormat Format, long Length, long DataBytes);
}
