using System.Buffers.Binary;
using System.Collections;
using VmRepl.Blocks;

namespace VmRepl.Images.Vhd;

/// <summary>
/// The block allocation table ("Block Allocation Table and Data Blocks"), whole and in memory: four bytes a block, 4 MiB for the largest disk in its usual blocks. Safe for concurrent use.
/// Every entry was looked at once: one that places its block outside the file, over structures or over another block makes reading that block a typed error, and no other.
/// </summary>
internal sealed class BlockTable
{
    private const int PieceBytes = 64 << 10;

    private readonly VhdStructure structure;
    private readonly uint[] entries;
    private readonly SortedSet<long> changed = [];
    private readonly Lock gate = new();
    private BitArray? overlapping;
    private BitArray? misplaced;

    private BlockTable(VhdStructure structure)
    {
        this.structure = structure;
        entries = new uint[structure.Blocks];
    }

    /// <summary>Sectors of the table that differ from the file.</summary>
    public int ChangedSectors
    {
        get
        {
            lock (gate) return changed.Count;
        }
    }

    /// <exception cref="ImageFormatException">The table cannot be read.</exception>
    public static BlockTable Read(VhdStructure structure)
    {
        var table = new BlockTable(structure);
        var piece = new byte[(int)Math.Min(PieceBytes, structure.Blocks * VhdLayout.TableEntryBytes)];
        for (var block = 0; block < table.entries.Length;)
        {
            var count = Math.Min(piece.Length / VhdLayout.TableEntryBytes, table.entries.Length - block);
            structure.File.Read(structure.Table.Offset + ((long)block * VhdLayout.TableEntryBytes), piece.AsSpan(0, count * VhdLayout.TableEntryBytes), "block allocation table");
            for (var i = 0; i < count; i++) table.entries[block + i] = BinaryPrimitives.ReadUInt32BigEndian(piece.AsSpan(i * VhdLayout.TableEntryBytes));
            block += count;
        }

        table.Examine();
        return table;
    }

    /// <summary>Where the block's sector bitmap begins in the file, bytes; null where it has no place.</summary>
    /// <exception cref="ImageFormatException">It cannot lie where the table says.</exception>
    public long? Place(long block)
    {
        var entry = Volatile.Read(ref entries[block]);
        if (entry == VhdLayout.Absent) return null;
        return IsDamaged(block) ? throw Fault(block) : (long)entry * VhdLayout.SectorBytes;
    }

    /// <summary>Whether the block cannot lie where its entry says.</summary>
    public bool IsDamaged(long block) => IsMarked(misplaced, block) || IsMarked(overlapping, block);

    /// <summary>What is wrong with the entry of a damaged block.</summary>
    public ImageFormatException Fault(long block)
    {
        var place = (long)entries[block] * VhdLayout.SectorBytes;
        return IsMarked(misplaced, block) ? structure.Misplaced(block, place) : structure.BadEntry(block, $"places a block at {place}, where another one lies");
    }

    /// <summary>Gives the block a place, or takes it away; the file has it after <see cref="TakeChanged"/>.</summary>
    /// <param name="place">Bytes, a multiple of the sector; null for none.</param>
    public void Set(long block, long? place)
    {
        lock (gate)
        {
            Volatile.Write(ref entries[block], place is { } at ? checked((uint)(at / VhdLayout.SectorBytes)) : VhdLayout.Absent);
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
                var end = Math.Min(entries.Length, (((sector + 1) * VhdLayout.SectorBytes) - structure.Table.Offset + VhdLayout.TableEntryBytes - 1) / VhdLayout.TableEntryBytes);
                var bytes = new byte[(end - first) * VhdLayout.TableEntryBytes];
                for (var i = 0; i < end - first; i++) BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(i * VhdLayout.TableEntryBytes), entries[first + i]);
                pieces.Add((structure.Table.Offset + (first * VhdLayout.TableEntryBytes), bytes));
            }

            changed.Clear();
            return pieces;
        }
    }

    /// <summary>The parts of the file that structures and blocks take.</summary>
    public ExtentSet FindTaken()
    {
        var taken = new ExtentSet();
        var (places, blocks) = SortByPlace();
        for (var i = 0; i < places.Length; i++) taken.Add(new Extent((long)places[i] * VhdLayout.SectorBytes, structure.StoredBytes(blocks[i])));
        foreach (var range in structure.Taken) taken.Add(range);
        return taken;
    }

    /// <summary>One behind the last byte that a structure or a block takes; a block is taken whole, whatever the disk has of it.</summary>
    public long FindEnd()
    {
        var end = structure.Taken.Max(t => t.End);
        foreach (var entry in entries)
        {
            if (entry != VhdLayout.Absent) end = Math.Max(end, ((long)entry * VhdLayout.SectorBytes) + structure.BitmapBytes + structure.BlockSize);
        }

        return end;
    }

    private static bool IsMarked(BitArray? marks, long block) => marks is not null && marks[(int)block];

    private long SectorOf(long block) => (structure.Table.Offset + (block * VhdLayout.TableEntryBytes)) / VhdLayout.SectorBytes;

    /// <summary>The blocks whose place is inside the file and over no structure, and their places in sectors, in the order of those.</summary>
    private (uint[] Places, int[] Blocks) SortByPlace()
    {
        var count = 0;
        for (var block = 0; block < entries.Length; block++)
        {
            if (entries[block] == VhdLayout.Absent) continue;
            if (structure.CanLie(block, (long)entries[block] * VhdLayout.SectorBytes)) count++;
            else (misplaced ??= new BitArray(entries.Length))[block] = true;
        }

        // Counted first: a list that grows would for a moment take twice the room, and there can be four million.
        var (places, blocks) = (new uint[count], new int[count]);
        for (int block = 0, i = 0; block < entries.Length; block++)
        {
            if (entries[block] == VhdLayout.Absent || IsMarked(misplaced, block)) continue;
            (places[i], blocks[i++]) = (entries[block], block);
        }

        Array.Sort(places, blocks);
        return (places, blocks);
    }

    /// <summary>Finds the entries that cannot be followed.</summary>
    private void Examine()
    {
        var (places, blocks) = SortByPlace();
        var (last, end) = (-1, 0L);
        for (var i = 0; i < places.Length; i++)
        {
            var range = new Extent((long)places[i] * VhdLayout.SectorBytes, structure.StoredBytes(blocks[i]));
            if (range.Offset < end)
            {
                overlapping ??= new BitArray(entries.Length);
                overlapping[last] = overlapping[blocks[i]] = true;
            }

            if (range.End > end) (last, end) = (blocks[i], range.End);
        }
    }
}
