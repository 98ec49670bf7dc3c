namespace VmRepl.Images.Vhd;

/// <summary>
/// Places, sizes and constants of a VHD file (Virtual Hard Disk Image Format Specification 1.0), used by reader and writer alike. Everything is big endian; only Windows' parent paths are little endian.
/// <code>
/// Fixed                       Dynamic and differencing
/// the disk, from offset 0     0     512   copy of the footer
/// the footer, 512 bytes       512   1024  dynamic disk header, where the footer's Data Offset says
///                             1536        block allocation table, where the header's Table Offset says; parent locators anywhere
///                                         blocks in any order, each a sector bitmap and then the data
///                             end   512   the footer
/// </code>
/// </summary>
internal static class VhdLayout
{
    /// <summary>A sector is 512 bytes in every VHD; table entries count them.</summary>
    public const int SectorBytes = 512;

    /// <summary>"Hard Disk Footer Format".</summary>
    public const int FooterBytes = 512;

    /// <summary>The footer of versions before Virtual PC 2004 ("Hard Disk Footer Format", note).</summary>
    public const int ShortFooterBytes = 511;

    /// <summary>"Dynamic Disk Header Format".</summary>
    public const int HeaderBytes = 1024;

    /// <summary>An entry of the table ("Block Allocation Table and Data Blocks").</summary>
    public const int TableEntryBytes = 4;

    /// <summary>A table entry of a block that has no place ("Block Allocation Table and Data Blocks").</summary>
    public const uint Absent = 0xFFFFFFFF;

    /// <summary>The major half of "File Format Version" and "Header Version"; a higher one is no longer compatible.</summary>
    public const int VersionMajor = 1;

    /// <summary>"File Format Version" and "Header Version": 1.0.</summary>
    public const uint Version = 0x00010000;

    /// <summary>Largest disk: 2040 GiB, the bound of Microsoft's and QEMU's drivers.</summary>
    public const long LengthMax = 2040L << 30;

    /// <summary>"Block Size": 2 MiB by default.</summary>
    public const int BlockSizeDefault = 2 << 20;

    /// <summary>
    /// Most blocks of a disk that is opened: the whole table is kept in memory, 16 MiB at most. Enough for the largest disk in blocks of 512 KiB, the smallest that Microsoft tested.
    /// </summary>
    public const int BlocksMax = 1 << 22;

    /// <summary>"Parent Locator Entries" of a header.</summary>
    public const int Locators = 8;

    /// <summary>"Platform Code" of a path relative to the child, of an absolute one, and of a file URL.</summary>
    public const uint WindowsRelative = 0x57327275, WindowsAbsolute = 0x57326B75, FileUrl = 0x4D616358;

    /// <summary>What "Time Stamp" counts seconds from.</summary>
    public static readonly DateTimeOffset Epoch = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>"Cookie" of the footer ("Hard Disk Footer Format").</summary>
    public static ReadOnlySpan<byte> FooterCookie => "conectix"u8;

    /// <summary>"Cookie" of the header ("Dynamic Disk Header Format").</summary>
    public static ReadOnlySpan<byte> HeaderCookie => "cxsparse"u8;
}
