using System.Buffers.Binary;
using System.Collections;
using System.Runtime.InteropServices;
using VmRepl.Blocks;

namespace VmRepl.Images.Vhd;

/// <summary>
/// The block allocation table ("Block Allocation Table and Data Blocks"): four bytes a block. An entry that places its block outside the file, over structures or over another block makes reading that block a typed error, and no other.
/// Where the file is written or checked the table is in memory whole; where it is only read, a page at a time, as many as the chain's bound allows. Every entry was looked at once then too, to find blocks over each other, but for
/// tables that go beyond the chain's <see cref="TableMemory.ExaminedEntriesMax"/>: there a block over another one is read, and found by a check. Safe for concurrent use.
/// </summary>
internal sealed class BlockTable
{
    private const int PageBytes = 64 << 10, PageEntries = PageBytes / VhdLayout.TableEntryBytes;

    private readonly VhdStructure structure;
    private readonly TableMemory memory;
    private readonly uint[]? entries;
    private readonly SortedSet<long> changed = [];
    private readonly Lock gate = new();
    private BitArray? overlapping;
    private BitArray? misplaced;

    /// <param name="structure">The disk.</param>
    /// <param name="memory">The chain's.</param>
    /// <param name="isWhole">Whether to keep all of it: 16 MiB at most. Twice as much is taken for a moment to examine it.</param>
    /// <exception cref="ImageFormatException">The table cannot be read.</exception>
    public BlockTable(VhdStructure structure, TableMemory memory, bool isWhole)
    {
        this.structure = structure;
        this.memory = memory;
        if (isWhole)
        {
            entries = new uint[structure.Blocks];
            for (var first = 0; first < entries.Length; first += PageEntries) ReadPage(first, entries.AsSpan(first, PageLength(first)));
        }

        if (isWhole || memory.TryExamine(structure.Blocks)) Examine();
    }

    /// <summary>Sectors of the table that differ from the file.</summary>
    public int ChangedSectors
    {
        get
        {
            lock (gate) return changed.Count;
        }
    }

    /// <summary>The same table, whole and examined.</summary>
    public BlockTable Whole() => entries is null ? new BlockTable(structure, memory, isWhole: true) : this;

    /// <summary>Where the block's sector bitmap begins in the file, bytes; null where it has no place.</summary>
    /// <exception cref="ImageFormatException">It cannot lie where the table says.</exception>
    public long? Place(long block) => Place(block, this[block]);

    /// <summary>The same of an entry that <see cref="From"/> gave.</summary>
    public long? Place(long block, uint entry)
    {
        if (entry == VhdLayout.Absent) return null;
        var place = (long)entry * VhdLayout.SectorBytes;
        if (IsDamaged(block)) throw Fault(block);
        return entries is not null || structure.CanLie(block, place) ? place : throw structure.Misplaced(block, place);
    }

    /// <summary>The entries from <paramref name="block"/> on, as far as they are at hand: at least one.</summary>
    public ReadOnlyMemory<uint> From(long block)
    {
        var inPage = (int)(block % PageEntries);
        return entries is null ? Page(block).AsMemory(inPage) : entries.AsMemory((int)block, PageLength(block - inPage) - inPage);
    }

    /// <summary>Whether the block cannot lie where its entry says, as far as the table was examined.</summary>
    public bool IsDamaged(long block) => IsMarked(misplaced, block) || IsMarked(overlapping, block);

    /// <summary>What is wrong with the entry of a damaged block.</summary>
    public ImageFormatException Fault(long block)
    {
        var place = (long)this[block] * VhdLayout.SectorBytes;
        return IsMarked(misplaced, block) ? structure.Misplaced(block, place) : structure.BadEntry(block, "a place of the block's own", $"{place}, where another one lies,");
    }

    /// <summary>Gives the block a place, or takes it away; the file has it after <see cref="TakeChanged"/>. Of a whole table.</summary>
    /// <param name="place">Bytes, a multiple of the sector; null for none.</param>
    public void Set(long block, long? place)
    {
        lock (gate)
        {
            Volatile.Write(ref entries![block], place is { } at ? checked((uint)(at / VhdLayout.SectorBytes)) : VhdLayout.Absent);
            changed.Add(SectorOf(block));
        }
    }

    /// <summary>
    /// The changed entries as they are to be written, each piece within one sector of the file, so that a power cut leaves it old or new.
    /// </summary>
    public List<(long FileOffset, byte[] Entries)> TakeChanged()
    {
        lock (gate)
        {
            var pieces = new List<(long, byte[])>(changed.Count);
            foreach (var sector in changed)
            {
                // A table need not begin on a sector: an entry across two of them is the first one's.
                var first = Math.Max(0, ((sector * VhdLayout.SectorBytes) - structure.Table.Offset + VhdLayout.TableEntryBytes - 1) / VhdLayout.TableEntryBytes);
                var end = Math.Min(structure.Blocks, (((sector + 1) * VhdLayout.SectorBytes) - structure.Table.Offset + VhdLayout.TableEntryBytes - 1) / VhdLayout.TableEntryBytes);
                var bytes = new byte[(end - first) * VhdLayout.TableEntryBytes];
                for (var i = 0; i < end - first; i++) BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(i * VhdLayout.TableEntryBytes), entries![first + i]);
                pieces.Add((structure.Table.Offset + (first * VhdLayout.TableEntryBytes), bytes));
            }

            changed.Clear();
            return pieces;
        }
    }

    /// <summary>What structures and blocks leave free before the footer, in order, from whole sectors on; of a whole table without damage.</summary>
    public IEnumerable<Extent> Gaps()
    {
        using var places = FindPlaces();
        var structures = new Queue<Extent>(structure.Taken.Order());
        long end = 0;
        for (var i = 0; i <= places.Count; i++)
        {
            var range = i < places.Count ? places[i] : new Extent(structure.Footers.End, 0);
            while (structures.TryPeek(out var next) && next.Offset < range.Offset)
            {
                if (Gap(next.Offset) is { } before) yield return before;
                end = Math.Max(end, structures.Dequeue().End);
            }

            if (Gap(range.Offset) is { } gap) yield return gap;
            end = Math.Max(end, range.End);
        }

        // Entries count sectors.
        Extent? Gap(long to) => Sectors.AlignUp(end, VhdLayout.SectorBytes) is var from && from < to ? Extent.FromEnds(from, to) : null;
    }

    /// <summary>Whether a structure or a block takes any of the range; of a whole table.</summary>
    public bool IsTaken(Extent range)
    {
        for (var block = 0; block < structure.Blocks; block++)
        {
            if (this[block] is not VhdLayout.Absent and var entry && new Extent((long)entry * VhdLayout.SectorBytes, structure.StoredBytes(block)).Overlaps(range)) return true;
        }

        return structure.Taken.Any(t => t.Overlaps(range));
    }

    /// <summary>One behind the last byte that a structure or a block takes; a block is taken whole, whatever the disk has of it. Of a whole table.</summary>
    public long FindEnd()
    {
        var end = structure.Taken.Max(t => t.End);
        foreach (var entry in entries!)
        {
            if (entry != VhdLayout.Absent) end = Math.Max(end, ((long)entry * VhdLayout.SectorBytes) + structure.BitmapBytes + structure.BlockSize);
        }

        return end;
    }

    private static bool IsMarked(BitArray? marks, long block) => marks is not null && marks[(int)block];

    private uint this[long block] => entries is null ? Page(block)[block % PageEntries] : Volatile.Read(ref entries[block]);

    private long SectorOf(long block) => (structure.Table.Offset + (block * VhdLayout.TableEntryBytes)) / VhdLayout.SectorBytes;

    private uint[] Page(long block)
    {
        var number = block / PageEntries;
        if (memory.Find<uint[]>(this, number) is { } known) return known;
        var page = new uint[PageLength(number * PageEntries)];
        ReadPage(number * PageEntries, page);
        memory.Keep(this, number, page, PageBytes);
        return page;
    }

    /// <summary>Entries of the page that begins with <paramref name="first"/>.</summary>
    private int PageLength(long first) => (int)Math.Min(PageEntries, structure.Blocks - first);

    private void ReadPage(long first, Span<uint> page)
    {
        structure.File.Read(structure.Table.Offset + (first * VhdLayout.TableEntryBytes), MemoryMarshal.AsBytes(page), "block allocation table");
        if (BitConverter.IsLittleEndian) BinaryPrimitives.ReverseEndianness(page, page);
    }

    /// <summary>Where the blocks lie whose place is inside the file and over no structure.</summary>
    private BlockPlaces FindPlaces()
    {
        // Counted first: a list that grows would for a moment take twice the room, and there can be four million.
        var (count, last, buffer) = (0, structure.Blocks - 1, NewBuffer());
        for (var first = 0; first < structure.Blocks; first += PageEntries)
        {
            var page = PageAt(first, buffer);
            for (var i = 0; i < page.Length; i++)
            {
                if (page[i] == VhdLayout.Absent) continue;
                if (structure.CanLie(first + i, (long)page[i] * VhdLayout.SectorBytes)) count++;
                else (misplaced ??= new BitArray((int)structure.Blocks))[first + i] = true;
            }
        }

        var places = new BlockPlaces(count, structure.BitmapBytes + structure.BlockSize, structure.StoredBytes(last));
        for (var first = 0; first < structure.Blocks && count > 0; first += PageEntries)
        {
            var page = PageAt(first, buffer);
            for (var i = 0; i < page.Length; i++)
            {
                if (page[i] != VhdLayout.Absent && !IsMarked(misplaced, first + i)) places.Add(page[i], isLast: first + i == last);
            }
        }

        places.Sort();
        return places;
    }

    private uint[] NewBuffer() => entries is null ? new uint[PageLength(0)] : [];

    /// <summary>One page of entries, of a table that is not whole as the file has it now, in <paramref name="buffer"/>.</summary>
    private ReadOnlySpan<uint> PageAt(int first, uint[] buffer)
    {
        if (entries is not null) return entries.AsSpan(first, PageLength(first));
        var page = buffer.AsSpan(0, PageLength(first));
        ReadPage(first, page);
        return page;
    }

    /// <summary>Finds the entries that cannot be followed.</summary>
    private void Examine()
    {
        using var places = FindPlaces();
        if (!places.KeepOverlapping()) return;
        overlapping = new BitArray((int)structure.Blocks);
        var buffer = NewBuffer();
        for (var first = 0; first < structure.Blocks; first += PageEntries)
        {
            var page = PageAt(first, buffer);
            for (var i = 0; i < page.Length; i++)
                if (page[i] != VhdLayout.Absent) overlapping[first + i] = !IsMarked(misplaced, first + i) && places.Contains(page[i]);
        }
    }
}
