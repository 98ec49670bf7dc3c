using System.Buffers.Binary;

namespace VmRepl.Images.Vhdx;

/// <summary>
/// The block allocation table ([MS-VHDX] 2.5), in memory a page at a time, as many as fit a fixed bound: a table can have 512 MiB.
/// Changed pages stay until they are committed. Safe for concurrent use.
/// </summary>
internal sealed class BlockTable(VhdxFile file, VhdxStructure structure)
{
    private const int PageBytes = 64 << 10;
    private const int PageEntries = PageBytes / VhdxLayout.BatEntryBytes;
    private const int PagesMax = 512;
    private const int SectorEntries = VhdxLayout.LogSectorBytes / VhdxLayout.BatEntryBytes;
    private const int SectorsPerPage = PageBytes / VhdxLayout.LogSectorBytes;

    private readonly Lock gate = new();
    private readonly Dictionary<long, byte[]> pages = [];
    private readonly Queue<long> order = new();
    private readonly SortedSet<long> changed = [];
    private readonly HashSet<long> committing = [];

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
                BinaryPrimitives.WriteUInt64LittleEndian(Page(index).AsSpan(InPage(index)), value.Bits);
                changed.Add(index / SectorEntries);
            }
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
        lock (gate) committing.Clear();
    }

    private static int InPage(long index) => (int)(index % PageEntries) * VhdxLayout.BatEntryBytes;

    private byte[] Page(long index)
    {
        var number = index / PageEntries;
        if (pages.TryGetValue(number, out var page)) return page;
        if (pages.Count >= PagesMax) Evict();
        page = new byte[PageBytes];
        // A region is a multiple of 1 MiB, so a page never passes its end.
        file.Read(structure.Regions.Bat.Offset + (number * PageBytes), page, "block allocation table");
        pages.Add(number, page);
        order.Enqueue(number);
        return page;
    }

    /// <summary>Gives up the oldest page that the file holds too; with none the bound is passed until the next commit.</summary>
    private void Evict()
    {
        for (var tries = order.Count; tries > 0; tries--)
        {
            var number = order.Dequeue();
            if (!IsPinned(number))
            {
                pages.Remove(number);
                return;
            }

            order.Enqueue(number);
        }
    }

    private bool IsPinned(long page)
    {
        var first = page * SectorsPerPage;
        if (changed.GetViewBetween(first, first + SectorsPerPage - 1).Count > 0) return true;
        for (var i = 0; i < SectorsPerPage; i++)
        {
            if (committing.Contains(first + i)) return true;
        }

        return false;
    }
}
