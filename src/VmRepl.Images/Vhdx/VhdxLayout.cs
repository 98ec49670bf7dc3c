namespace VmRepl.Images.Vhdx;

/// <summary>
/// Places, sizes and identifiers of a VHDX file ([MS-VHDX] 2.1 to 2.6), used by reader and writer alike. Everything is little endian, GUIDs are mixed endian.
/// <code>
/// Offset    Size    Field
/// 0         64 KiB  file identifier: "vhdxfile", creator (UTF-16)
/// 64 KiB    64 KiB  header 1, of which 4 KiB are checksummed
/// 128 KiB   64 KiB  header 2
/// 192 KiB   64 KiB  region table 1
/// 256 KiB   64 KiB  region table 2
/// 320 KiB   704 KiB reserved
/// 1 MiB     total; log, metadata, block allocation table and blocks follow, each on a multiple of 1 MiB
/// </code>
/// </summary>
internal static class VhdxLayout
{
    /// <summary>What all structures are aligned to (2.1).</summary>
    public const int MiB = 1 << 20;

    /// <summary>A header (2.2.2).</summary>
    public const int HeaderBytes = 4096;

    /// <summary>A region table (2.2.3) and a metadata table (2.6.1).</summary>
    public const int TableBytes = 64 << 10;

    /// <summary>A sector of the log (2.3.1), and what a data descriptor replaces in the file.</summary>
    public const int LogSectorBytes = 4096;

    /// <summary>An entry of the block allocation table (2.5.1).</summary>
    public const int BatEntryBytes = 8;

    /// <summary>Bounds of BlockSize (2.6.2.1).</summary>
    public const int BlockSizeMin = 1 << 20, BlockSizeMax = 1 << 28;

    /// <summary>Most entries a region table or a metadata table may have (2.2.3.1, 2.6.1.1).</summary>
    public const int TableEntriesMax = 2047;

    /// <summary>Largest virtual disk: 64 TiB (2.6.2.2).</summary>
    public const long LengthMax = 64L << 40;

    /// <summary>
    /// Longest log that is replayed or written to, since it is held in memory meanwhile. Hyper-V's has 1 MiB; the specification gives no bound but its 32-bit field.
    /// A longer one that is empty is no hindrance to reading.
    /// </summary>
    public const int LogBytesMax = 16 << 20;

    /// <summary>Longest metadata region that is looked at: a table of 64 KiB, and items of at most 1 MiB each (2.6.1.2).</summary>
    public const int MetadataItemBytesMax = 1 << 20;

    /// <summary>Both headers (2.2.2).</summary>
    public static readonly long[] HeaderOffsets = [64 << 10, 128 << 10];

    /// <summary>Both region tables (2.2.3).</summary>
    public static readonly long[] RegionTableOffsets = [192 << 10, 256 << 10];

    /// <summary>The regions that are known (2.2.3.2).</summary>
    public static readonly Guid BatRegion = new("2dc27766-f623-4200-9d64-115e9bfd4a08");
    public static readonly Guid MetadataRegion = new("8b7ca206-4790-4b9a-b8fe-575f050f886e");

    /// <summary>The metadata items that are known (2.6.2), and the type of a VHDX parent locator (2.6.2.6.3).</summary>
    public static readonly Guid FileParameters = new("caa16737-fa36-4d43-b3b6-33f0aa44e76b");
    public static readonly Guid VirtualDiskSize = new("2fa54224-cd1b-4876-b211-5dbed83bf4b8");
    public static readonly Guid Page83 = new("beca12ab-b2e6-4523-93ef-c309e000c746");
    public static readonly Guid LogicalSectorSize = new("8141bf1d-a96f-4709-ba47-f233a8faab5f");
    public static readonly Guid PhysicalSectorSize = new("cda348c7-445d-4471-9cc9-e9885251c556");
    public static readonly Guid ParentLocator = new("a8d35f2d-b30b-454d-abf7-d3d84834ab0c");
    public static readonly Guid ParentLocatorType = new("b04aefb7-d19e-4a81-b789-25b8e9445913");

    /// <summary>Of the file type identifier (2.2.1).</summary>
    public static ReadOnlySpan<byte> FileSignature => "vhdxfile"u8;

    /// <summary>Of a header (2.2.2).</summary>
    public static ReadOnlySpan<byte> HeaderSignature => "head"u8;

    /// <summary>Of a region table (2.2.3.1).</summary>
    public static ReadOnlySpan<byte> RegionSignature => "regi"u8;

    /// <summary>Of a metadata table (2.6.1.1).</summary>
    public static ReadOnlySpan<byte> MetadataSignature => "metadata"u8;
}
