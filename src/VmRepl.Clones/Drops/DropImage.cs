using VmRepl.Images;

namespace VmRepl.Clones.Drops;

/// <summary>The disk in a dropped file.</summary>
/// <param name="Format">Its format, as it was found once; it is never probed again.</param>
/// <param name="Length">Bytes of the disk.</param>
/// <param name="SectorSize">Logical sector in bytes.</param>
public sealed record DropImage(ImageFormat Format, long Length, int SectorSize);
