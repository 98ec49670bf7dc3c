using VmRepl.Blocks;

namespace VmRepl.Images.Vhd;

/// <summary>The parts of a dynamic or differencing disk that say where everything is ("Dynamic Disk Header Format", "Block Allocation Table and Data Blocks"), read and checked; and the arithmetic of its blocks.</summary>
internal sealed class VhdStructure
{
    private readonly long headerOffset;
    private readonly List<Extent> taken;
    private readonly long takenEnd;

    private VhdStructure(VhdFile file, VhdFooters footers, VhdHeader header)
    {
        File = file;
        Footers = footers;
        Header = header;
        headerOffset = (long)footers.Current.DataOffset;
        Length = (long)footers.Current.CurrentSize;
        Blocks = (Length + header.BlockSize - 1) / header.BlockSize;
        BitmapBytes = (int)Sectors.AlignUp(((long)header.BlockSize / VhdLayout.SectorBytes + 7) / 8, VhdLayout.SectorBytes);
        Table = RequireTable();
        taken = [new Extent(0, VhdLayout.FooterBytes), new Extent(headerOffset, VhdLayout.HeaderBytes), Table, .. IsDifferencing ? header.Locators.Select(RequireLocator) : []];
        takenEnd = taken.Max(t => t.End);
    }

    public VhdFile File { get; }

    public VhdFooters Footers { get; }

    public VhdHeader Header { get; }

    public bool IsDifferencing => Footers.Current.Type == VhdType.Differencing;

    /// <summary>Bytes of the disk.</summary>
    public long Length { get; }

    /// <summary>Bytes of a block's data.</summary>
    public long BlockSize => Header.BlockSize;

    /// <summary>Bytes of the sector bitmap before a block's data: a bit for each sector, up to a whole sector.</summary>
    public int BitmapBytes { get; }

    /// <summary>Blocks of the disk; the last may reach beyond its end. The table may have more entries.</summary>
    public long Blocks { get; }

    /// <summary>The whole table.</summary>
    public Extent Table { get; }

    /// <summary>Where front copy, header, table and locators lie.</summary>
    public IReadOnlyList<Extent> Taken => taken;

    /// <exception cref="ImageFormatException">Header, table or a locator is damaged, out of the file, or one over the other.</exception>
    public static VhdStructure Read(VhdFile file, VhdFooters footers)
    {
        var offset = footers.Current.DataOffset;
        if (offset < VhdLayout.FooterBytes || offset > (ulong)footers.End || VhdLayout.HeaderBytes > (ulong)footers.End - offset)
            throw file.Mismatch(FooterAt(footers) + 16, "Data Offset", $"{VhdLayout.FooterBytes} to {footers.End - VhdLayout.HeaderBytes}", $"{offset}");
        var bytes = new byte[VhdLayout.HeaderBytes];
        file.Read((long)offset, bytes, "dynamic disk header");
        return new VhdStructure(file, footers, VhdHeader.Parse(file, (long)offset, bytes));
    }

    /// <summary>Bytes of a block that the disk has: all, but for the last one.</summary>
    public long DataBytes(long block) => Math.Min(BlockSize, Length - (block * BlockSize));

    /// <summary>Bytes of a block's bitmap and of its data up to the disk's end.</summary>
    public long StoredBytes(long block) => BitmapBytes + DataBytes(block);

    /// <summary>Whether a block can lie at <paramref name="place"/>: before the footer, and over no structure.</summary>
    /// <param name="place">Bytes from the file's start.</param>
    public bool CanLie(long block, long place) => IsInside(block, place) && !IsOverStructure(new Extent(place, StoredBytes(block)));

    /// <summary>What is wrong with a place that table entry <paramref name="block"/> gives, and where no block can lie.</summary>
    public ImageFormatException Misplaced(long block, long place) => IsInside(block, place)
        ? BadEntry(block, "a place outside the file's own structures", $"{new Extent(place, StoredBytes(block))}")
        : BadEntry(block, $"a place for {StoredBytes(block)} bytes before the footer at {Footers.End}", $"{place}");

    public ImageFormatException BadEntry(long block, string expected, string found) => File.Mismatch(Table.Offset + (block * VhdLayout.TableEntryBytes), "BAT entry", expected, $"{found} in entry {block}");

    private bool IsInside(long block, long place) => place <= Footers.End && StoredBytes(block) <= Footers.End - place;

    private bool IsOverStructure(Extent range)
    {
        // Where nearly all blocks are: behind all structures.
        if (range.Offset >= takenEnd) return false;
        foreach (var structure in taken)
        {
            if (structure.Overlaps(range)) return true;
        }

        return false;
    }

    private static long FooterAt(VhdFooters footers) => footers.IsEndSound ? footers.End : 0;

    private Extent RequireTable()
    {
        if (Blocks > VhdLayout.BlocksMax) throw File.Mismatch(headerOffset + 32, "Block Size", $"one that makes at most {VhdLayout.BlocksMax} blocks of {Length} bytes", $"{BlockSize}, which makes {Blocks}");
        if (Header.TableEntries < Blocks) throw File.Mismatch(headerOffset + 28, "Max Table Entries", $"at least {Blocks}, the blocks of the disk", $"{Header.TableEntries}");
        var length = (long)Header.TableEntries * VhdLayout.TableEntryBytes;
        if (Header.TableOffset > (ulong)Footers.End || (ulong)length > (ulong)Footers.End - Header.TableOffset)
            throw File.Mismatch(headerOffset + 16, "Table Offset", $"for {length} bytes before the footer at {Footers.End}", $"{Header.TableOffset}");
        var table = new Extent((long)Header.TableOffset, length);
        if (table.Overlaps(new Extent(0, VhdLayout.FooterBytes)) || table.Overlaps(new Extent(headerOffset, VhdLayout.HeaderBytes)))
            throw File.Mismatch(headerOffset + 16, "Table Offset", "outside footer and header", $"{table}");
        return table;
    }

    private Extent RequireLocator(VhdLocator locator)
    {
        if (locator.Offset > (ulong)Footers.End || locator.Length > (ulong)Footers.End - locator.Offset)
            throw File.Mismatch(headerOffset + 576, "Platform Data Offset", $"for {locator.Length} bytes before the footer at {Footers.End}", $"{locator.Offset}");
        return new Extent((long)locator.Offset, locator.Length);
    }
}
