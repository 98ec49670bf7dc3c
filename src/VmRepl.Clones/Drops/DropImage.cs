using VmRepl.Images;

namespace VmRepl.Clones.Drops;

/// <summary>The disk in a dropped file.</summary>
/// <param name="Format">Its format, as it was found once; it is never probed again.</param>
/// <param name="Length">Bytes of the disk.</param>
/// <param name="SectorSize">Logical sector in bytes.</param>
/// <param name="IsAnything">Whether it is raw and has no partition table: any file at all is such a disk.</param>
public sealed record DropImage(ImageFormat Format, long Length, int SectorSize, bool IsAnything = false);
