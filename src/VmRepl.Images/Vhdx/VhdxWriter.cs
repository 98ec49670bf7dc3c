using System.Text;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vhdx;

/// <summary>Lays a new VHDX into an empty file ([MS-VHDX] 2.2, 2.6): identifier, headers, region tables, log, metadata. The table of blocks is left zero and the caller's.</summary>
internal static class VhdxWriter
{
    private const string Creator = "VmRepl";
    private const int LogOffset = VhdxLayout.MiB;
    private const int LogBytes = VhdxLayout.MiB;
    private const int MetadataOffset = LogOffset + LogBytes;
    private const int BatOffset = MetadataOffset + VhdxLayout.MiB;

    /// <summary>Where the table of blocks and the first byte behind it lie for <paramref name="geometry"/>.</summary>
    public static VhdxRegions Place(BatGeometry geometry) => new(
        new Extent(BatOffset, Sectors.AlignUp(geometry.Bytes, VhdxLayout.MiB)),
        new Extent(MetadataOffset, VhdxLayout.MiB));

    /// <summary>Writes everything but the table of blocks, and sizes the file to <paramref name="fileLength"/>. Not flushed.</summary>
    public static void Write(IHostFile file, VhdxMetadata metadata, VhdxRegions regions, long fileLength, Func<Guid> newGuid)
    {
        file.SetLength(fileLength);
        var identifier = new byte[VhdxLayout.FileSignature.Length + (Creator.Length * 2)];
        VhdxLayout.FileSignature.CopyTo(identifier);
        Encoding.Unicode.GetBytes(Creator, identifier.AsSpan(VhdxLayout.FileSignature.Length));
        file.Write(0, identifier);
        var header = new VhdxHeader { Sequence = 1, FileWriteGuid = newGuid(), DataWriteGuid = newGuid(), LogLength = LogBytes, LogOffset = LogOffset };
        file.Write(VhdxLayout.HeaderOffsets[0], header.ToBytes());
        file.Write(VhdxLayout.HeaderOffsets[1], (header with { Sequence = 2 }).ToBytes());
        foreach (var offset in VhdxLayout.RegionTableOffsets) file.Write(offset, regions.ToBytes());
        file.Write(regions.Metadata.Offset, VhdxMetadataRegion.ToBytes(metadata));
    }

    /// <summary>Refuses sizes that a VHDX cannot say.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The length is no multiple of the sector from one sector to 64 TiB, or the sector is neither 512 nor 4096.</exception>
    public static void RequireSize(long length, int sectorSize)
    {
        if (sectorSize is not (512 or 4096)) throw new ArgumentOutOfRangeException(nameof(sectorSize), sectorSize, "a VHDX has sectors of 512 or 4096 bytes");
        if (length <= 0 || length > VhdxLayout.LengthMax || length % sectorSize != 0)
            throw new ArgumentOutOfRangeException(nameof(length), length, $"a VHDX has a multiple of its sector ({sectorSize} bytes), up to 64 TiB");
    }
}
