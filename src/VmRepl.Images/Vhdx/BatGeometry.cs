namespace VmRepl.Images.Vhdx;

/// <summary>
/// How blocks fall into the block allocation table ([MS-VHDX] 2.5): after every <see cref="ChunkRatio"/> payload entries stands one for the sector bitmap block of that chunk,
/// in fixed and dynamic files too.
/// </summary>
internal readonly record struct BatGeometry
{
    /// <summary>Sectors that one bitmap block of 1 MiB speaks for.</summary>
    private const long SectorsPerChunk = 1L << 23;

    public BatGeometry(long length, int blockSize, int sectorSize, bool hasParent)
    {
        DiskLength = length;
        BlockSize = blockSize;
        SectorSize = sectorSize;
        ChunkRatio = SectorsPerChunk * sectorSize / blockSize;
        Blocks = (length + blockSize - 1) / blockSize;
        Entries = hasParent ? (Blocks + ChunkRatio - 1) / ChunkRatio * (ChunkRatio + 1) : Blocks + ((Blocks - 1) / ChunkRatio);
    }

    /// <summary>Bytes of the disk; the last block may reach beyond.</summary>
    public long DiskLength { get; }

    public int BlockSize { get; }

    public int SectorSize { get; }

    public long ChunkRatio { get; }

    /// <summary>Payload blocks of the disk.</summary>
    public long Blocks { get; }

    /// <summary>Entries of the table, payload and bitmap together.</summary>
    public long Entries { get; }

    public long Bytes => Entries * VhdxLayout.BatEntryBytes;

    /// <summary>The table's index of payload block <paramref name="block"/>.</summary>
    public long PayloadIndex(long block) => block + (block / ChunkRatio);

    /// <summary>The table's index of the sector bitmap block that covers payload block <paramref name="block"/>.</summary>
    public long BitmapIndex(long block) => ((block / ChunkRatio) * (ChunkRatio + 1)) + ChunkRatio;

    /// <summary>Whether entry <paramref name="index"/> is a bitmap's.</summary>
    public bool IsBitmap(long index) => index % (ChunkRatio + 1) == ChunkRatio;

    /// <summary>The payload block of entry <paramref name="index"/>, which is no bitmap's.</summary>
    public long Block(long index) => index - (index / (ChunkRatio + 1));
}
