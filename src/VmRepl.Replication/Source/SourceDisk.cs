using VmRepl.Images;

namespace VmRepl.Replication.Source;

/// <summary>One disk of a protected group, as it was when protection began.</summary>
/// <param name="Id">Number in the group's records, from 1.</param>
/// <param name="Name">Name in the group.</param>
/// <param name="File">Full path of its image.</param>
/// <param name="Format">Format of the image; a disk protected as raw stays raw, whatever its guest writes to its beginning.</param>
/// <param name="Length">Bytes.</param>
/// <param name="SectorSize">Logical sector in bytes.</param>
public sealed record SourceDisk(uint Id, string Name, string File, ImageFormat Format, long Length, int SectorSize)
{
    /// <summary>What its baseline begins from; null for nothing.</summary>
    public SourceSeed? Seed { get; init; }
}
