namespace VmRepl.Images.Vhd;

/// <summary>
/// "Disk Geometry": cylinders, heads and sectors per track of an ATA disk. Mostly a little less than the disk: Virtual PC showed its guests no more than this, and QEMU still does for
/// disks whose Creator Application is "vpc " or "qemu". <see cref="VhdFooter.CurrentSize"/> is what we go by.
/// </summary>
internal readonly record struct VhdGeometry(int Cylinders, int Heads, int SectorsPerTrack)
{
    private const int CylindersMax = 65535, HeadsMax = 16;

    /// <summary>Bytes that the geometry can name.</summary>
    public long Bytes => (long)Cylinders * Heads * SectorsPerTrack * VhdLayout.SectorBytes;

    /// <summary>The geometry of a disk of that many sectors (appendix, "CHS Calculation").</summary>
    public static VhdGeometry Of(long sectors)
    {
        sectors = Math.Min(sectors, (long)CylindersMax * HeadsMax * 255);
        if (sectors >= (long)CylindersMax * HeadsMax * 63) return With(HeadsMax, 255);
        var cylinderHeads = sectors / 17;
        var heads = Math.Max((cylinderHeads + 1023) / 1024, 4);
        if (cylinderHeads < heads * 1024 && heads <= HeadsMax) return With((int)heads, 17);
        return sectors / 31 < HeadsMax * 1024 ? With(HeadsMax, 31) : With(HeadsMax, 63);

        VhdGeometry With(int heads, int sectorsPerTrack) => new((int)(sectors / sectorsPerTrack / heads), heads, sectorsPerTrack);
    }
}
