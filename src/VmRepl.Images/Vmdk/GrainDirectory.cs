using System.Buffers.Binary;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>
/// A grain directory: the sectors at which grain tables begin, 0 where there is none (Virtual Disk Format 5.0, "Grain Directory"). It is loaded in pages where it is needed, as many as fit a
/// fixed bound: a directory can have 128 MiB, and a disk 512 extents. Safe for concurrent use.
/// </summary>
internal sealed class GrainDirectory
{
    private const int PageBytes = 16 << 10, PageEntries = PageBytes / sizeof(uint);

    private readonly IHostFile file;
    private readonly long offset;
    private readonly TableCache pages;

    /// <summary>A directory of <paramref name="entries"/> at <paramref name="sector"/>, or null where that is not inside the file.</summary>
    public static GrainDirectory? At(IHostFile file, long sector, long entries)
    {
        var bytes = entries * sizeof(uint);
        var isInside = sector > 0 && sector <= file.Length / VmdkLayout.SectorBytes && bytes <= file.Length - (sector * VmdkLayout.SectorBytes);
        return isInside ? new GrainDirectory(file, sector * VmdkLayout.SectorBytes, entries) : null;
    }

    private GrainDirectory(IHostFile file, long offset, long entries)
    {
        this.file = file;
        this.offset = offset;
        Count = entries;
        pages = new TableCache(file, PageBytes, cacheBytes: 1 << 20);
    }

    public long Count { get; }

    /// <exception cref="ImageFormatException">The file became shorter.</exception>
    public uint this[long index]
    {
        get
        {
            var (page, inPage) = Math.DivRem(index, PageEntries);
            return BinaryPrimitives.ReadUInt32LittleEndian(pages.At(offset + (page * PageBytes), (int)Math.Min(PageEntries, Count - (page * PageEntries)) * sizeof(uint)).AsSpan((int)inPage * sizeof(uint)));
        }
    }
}
