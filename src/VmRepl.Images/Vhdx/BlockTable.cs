using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace VmRepl.Images.Vhdx;

/// <summary>
/// The block allocation table ([MS-VHDX] 2.5), in memory a page at a time, as many as the chain's bound allows: a table can have 512 MiB.
/// Changed pages stay until they are committed. Safe for concurrent use.
/// </summary>
internal sealed class BlockTable(VhdxFile file, VhdxStructure structure, TableMemory memory)
{
    private const int PageBytes = 64 << 10;
    private const int PageEntries = PageBytes / VhdxLayout.BatEntryBytes;
    private const int SectorEntries = VhdxLayout.LogSectorBytes / VhdxLayout.BatEntryBytes;
    private const int SectorsPerPage = PageBytes / VhdxLayout.LogSectorBytes;

    private readonly Lock gate = new();
    private readonly Dictionary<long, byte[]> pinned = [];
    private readonly SortedSet<long> changed = [];
    private readonly HashSet<long> committing = [];
    private byte[]? empty;

    /// <summary>Whether the file does not have all of it yet.</summary>
    public bool HasUnwritten
    {
        get
        {
            lock (gate) return changed.Count + committing.Count > 0;
        }
    }

    /// <summary>Sectors of 4096 bytes that differ from the file.</summary>
    public int ChangedSectors
    {
        get
        {
            lock (gate) return changed.Count;
        }
    }

    /// <exception cref="ImageFormatException">The table is cut short.</exception>
    public BatEntry this[long index]
    {
        get
        {
            lock (gate) return new BatEntry(BinaryPrimitives.ReadUInt64LittleEndian(Page(index).AsSpan(InPage(index))));
        }

        set
        {
            lock (gate)
            {
                var page = Page(index);
                BinaryPrimitives.WriteUInt64LittleEndian(page.AsSpan(InPage(index)), value.Bits);
                changed.Add(index / SectorEntries);
                pinned[index / PageEntries] = page;
            }
        }
    }

    /// <summary>How many entries from <paramref name="index"/> on are known to be zeros, the state "not present": 0 where that one is not.</summary>
    public long AbsentFrom(long index)
    {
        var at = structure.Regions.Bat.Offset + (index * VhdxLayout.BatEntryBytes);
        var hole = (file.HoleEnd(at) - at) / VhdxLayout.BatEntryBytes;
        if (hole > 0) return Math.Min(hole, structure.Geometry.Entries - index);
        lock (gate)
        {
            var rest = Page(index).AsSpan(InPage(index));
            var first = rest.IndexOfAnyExcept((byte)0);
            return Math.Min((first < 0 ? rest.Length : first) / VhdxLayout.BatEntryBytes, structure.Geometry.Entries - index);
        }
    }

    /// <summary>How many entries from <paramref name="index"/> on are known to be like that one, whatever they stand for: at least one.</summary>
    public long AlikeFrom(long index)
    {
        lock (gate)
        {
            var rest = MemoryMarshal.Cast<byte, ulong>(Page(index).AsSpan(InPage(index)));
            var first = rest.IndexOfAnyExcept(rest[0]);
            return Math.Min(first < 0 ? rest.Length : first, structure.Geometry.Entries - index);
        }
    }

    /// <summary>Copies of the changed sectors, in order, with their places in the file. They stay in memory until <see cref="Committed"/>.</summary>
    public List<(long FileOffset, byte[] Sector)> TakeChanged()
    {
        lock (gate)
        {
            var sectors = new List<(long, byte[])>(changed.Count);
            foreach (var sector in changed)
            {
                var first = sector * SectorEntries;
                sectors.Add((structure.Regions.Bat.Offset + (sector * VhdxLayout.LogSectorBytes), Page(first).AsSpan(InPage(first), VhdxLayout.LogSectorBytes).ToArray()));
                committing.Add(sector);
            }

            changed.Clear();
            return sectors;
        }
    }

    /// <summary>What <see cref="TakeChanged"/> handed out is in the file.</summary>
    public void Committed()
    {
        lock (gate)
        {
            committing.Clear();
            foreach (var (number, page) in pinned.Where(p => !IsChanged(p.Key)).ToArray())
            {
                pinned.Remove(number);
                memory.Keep(this, number, page, PageBytes);
            }
        }
    }

    private static int InPage(long index) => (int)(index % PageEntries) * VhdxLayout.BatEntryBytes;

    /// <summary>Loaded under the lock, so that no page which was read before a commit is kept after it.</summary>
    private byte[] Page(long index)
    {
        var number = index / PageEntries;
        if (pinned.TryGetValue(number, out var page) || (page = memory.Find<byte[]>(this, number)) is not null) return page;
        if (file.HoleEnd(PlaceOf(number)) >= PlaceOf(number + 1)) return empty ??= new byte[PageBytes];
        page = new byte[PageBytes];
        // A region is a multiple of 1 MiB, so a page never passes its end.
        file.Read(PlaceOf(number), page, "block allocation table");
        memory.Keep(this, number, page, PageBytes);
        return page;
    }

    private long PlaceOf(long page) => structure.Regions.Bat.Offset + (page * PageBytes);

    private bool IsChanged(long page) => changed.GetViewBetween(page * SectorsPerPage, ((page + 1) * SectorsPerPage) - 1).Count > 0;
}
