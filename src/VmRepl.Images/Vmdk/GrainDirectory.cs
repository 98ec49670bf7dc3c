using System.Buffers.Binary;
using System.Runtime.InteropServices;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>
/// A grain directory: the sectors at which grain tables begin, 0 where there is none (Virtual Disk Format 5.0, "Grain Directory"). It is loaded in pages where it is needed, as many as the
/// chain's bound allows: a directory can have 128 MiB, and a disk 512 extents. Safe for concurrent use.
/// </summary>
internal sealed class GrainDirectory
{
    private const int PageBytes = 16 << 10, PageEntries = PageBytes / sizeof(uint);

    private readonly IHostFile file;
    private readonly long offset;
    private readonly TableCache pages;

    /// <summary>A directory of <paramref name="entries"/> at <paramref name="sector"/>, or null where that is not inside the file.</summary>
    public static GrainDirectory? At(IHostFile file, TableMemory memory, long sector, long entries)
    {
        var bytes = entries * sizeof(uint);
        var isInside = sector > 0 && sector <= file.Length / VmdkLayout.SectorBytes && bytes <= file.Length - (sector * VmdkLayout.SectorBytes);
        return isInside ? new GrainDirectory(file, memory, sector * VmdkLayout.SectorBytes, entries) : null;
    }

    private GrainDirectory(IHostFile file, TableMemory memory, long offset, long entries)
    {
        this.file = file;
        this.offset = offset;
        Count = entries;
        pages = new TableCache(file, memory, PageBytes);
    }

    public long Count { get; }

    /// <summary>Where it stands in the file.</summary>
    public Extent Place => new(offset, Count * sizeof(uint));

    /// <exception cref="ImageFormatException">The file became shorter.</exception>
    public uint this[long index]
    {
        get
        {
            var (page, inPage) = Math.DivRem(index, PageEntries);
            return BinaryPrimitives.ReadUInt32LittleEndian(Page(page).AsSpan((int)inPage * sizeof(uint)));
        }
    }

    /// <summary>How many entries from <paramref name="index"/> on are known to name no table: at least one where that one does not.</summary>
    public long AbsentFrom(long index)
    {
        var (page, inPage) = Math.DivRem(index, PageEntries);
        var rest = Page(page).AsSpan((int)inPage * sizeof(uint));
        var first = rest.IndexOfAnyExcept((byte)0);
        return (first < 0 ? rest.Length : first) / sizeof(uint);
    }

    /// <summary>How many entries from <paramref name="index"/> on are known to be like that one: at least one.</summary>
    public long AlikeFrom(long index)
    {
        var (page, inPage) = Math.DivRem(index, PageEntries);
        var rest = MemoryMarshal.Cast<byte, uint>(Page(page))[(int)inPage..];
        var first = rest.IndexOfAnyExcept(rest[0]);
        return first < 0 ? rest.Length : first;
    }

    /// <summary>The entries that name a table, in order, with their numbers. What is a hole in the file is not read.</summary>
    public IEnumerable<(long Number, uint Sector)> Present()
    {
        foreach (var run in file.Map(offset, Count * sizeof(uint)))
        {
            if (run.IsHole) continue;
            var end = Math.Min(Count, (run.End - offset + sizeof(uint) - 1) / sizeof(uint));
            for (var number = (run.Offset - offset) / sizeof(uint); number < end;)
            {
                var absent = AbsentFrom(number);
                if (absent == 0) yield return (number, this[number]);
                number += Math.Max(absent, 1);
            }
        }
    }

    private byte[] Page(long page) => pages.At(offset + (page * PageBytes), (int)Math.Min(PageEntries, Count - (page * PageEntries)) * sizeof(uint));
}
