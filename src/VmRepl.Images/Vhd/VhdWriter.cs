using System.Text;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vhd;

/// <summary>Lays a new VHD into an empty file ("Fixed Hard Disk Image", "Implementing a Dynamic Disk", "Implementing a Differencing Hard Disk"). Nothing is flushed but by the caller.</summary>
internal static class VhdWriter
{
    private const int HeaderOffset = VhdLayout.FooterBytes;
    private const int LocatorOffset = HeaderOffset + VhdLayout.HeaderBytes;
    private const int TablePiece = 1 << 20;

    /// <summary>Refuses sizes that the format cannot say.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The length is no multiple of 512 from 512 to 2040 GiB, or the sector is not 512.</exception>
    public static void RequireSize(long length, int sectorSize)
    {
        if (sectorSize != VhdLayout.SectorBytes) throw new ArgumentOutOfRangeException(nameof(sectorSize), sectorSize, "a VHD has sectors of 512 bytes");
        if (length <= 0 || length > VhdLayout.LengthMax || length % sectorSize != 0)
            throw new ArgumentOutOfRangeException(nameof(length), length, "a VHD has a multiple of 512 bytes, up to 2040 GiB");
    }

    /// <summary>A fixed disk: all hole, and the footer.</summary>
    public static void WriteFixed(IHostFile file, long length, Guid id, uint timeStamp)
    {
        file.SetLength(length + VhdLayout.FooterBytes);
        file.Write(length, VhdFooter.For(VhdType.Fixed, length, id, timeStamp).Bytes);
    }

    /// <summary>
    /// A dynamic disk, or a differencing one over <paramref name="parent"/>: footer, header, the parent's name, the table without a block, footer.
    /// The name comes before the table, since QEMU takes everything behind that for blocks.
    /// </summary>
    /// <param name="name">How the parent is found; null without one.</param>
    public static void WriteBlocks(IHostFile file, long length, Guid id, uint timeStamp, VhdImage? parent, VhdParentName? name)
    {
        var footer = VhdFooter.For(parent is null ? VhdType.Dynamic : VhdType.Differencing, length, id, timeStamp);
        var locator = name is { } given ? Encoding.Unicode.GetBytes(given.Text) : [];
        var tableOffset = Sectors.AlignUp(LocatorOffset + locator.Length, VhdLayout.SectorBytes);
        var blocks = (length + VhdLayout.BlockSizeDefault - 1) / VhdLayout.BlockSizeDefault;
        var header = new VhdHeader
        {
            TableOffset = (ulong)tableOffset,
            TableEntries = (uint)blocks,
            BlockSize = VhdLayout.BlockSizeDefault,
            ParentId = parent?.UniqueId ?? Guid.Empty,
            ParentTimeStamp = parent?.TimeStamp ?? 0,
            ParentName = parent is null ? "" : Path.GetFileName(parent.Files[0].Path),
            Locators = parent is null ? [] : [new VhdLocator(VhdLayout.WindowsRelative, (uint)locator.Length, LocatorOffset)],
        };
        file.Write(0, footer.Bytes);
        file.Write(HeaderOffset, header.ToBytes());
        if (locator.Length > 0) file.Write(LocatorOffset, locator);
        var end = Sectors.AlignUp(tableOffset + (blocks * VhdLayout.TableEntryBytes), VhdLayout.SectorBytes);
        // "Unused table entries are initialized to 0xFFFFFFFF", up to the sector's end.
        var piece = new byte[(int)Math.Min(TablePiece, end - tableOffset)];
        piece.AsSpan().Fill(byte.MaxValue);
        for (var at = tableOffset; at < end; at += piece.Length) file.Write(at, piece.AsSpan(0, (int)Math.Min(piece.Length, end - at)));
        file.Write(end, footer.Bytes);
    }
}
