namespace VmRepl.Journal.Index.Files;

/// <summary>
/// The pages of all index files of a store that were read last, least recently used out first, under one cap with whatever else keeps an index in memory: what is reserved makes room by
/// dropping filters and then pages. A page, once handed out, stays as it is; dropping it only means that it is read again. Safe for concurrent use.
/// </summary>
internal sealed class IndexPageCache
{
    /// <summary>Bytes counted for a page: its own and those that it takes to find it.</summary>
    public const int PageCost = IndexLayout.PageBytes + 80;

    private const int None = -1;
    private const int SlotsFirst = 16;

    // Filters save reads and are worth memory, but never the last quarter of it.
    private const int FilterShare = 4;

    private readonly Lock gate = new();
    private readonly Dictionary<ulong, int> slots = [];
    private readonly List<(object Owner, long Bytes, Action Drop)> filters = [];

    // A slot's page, key and neighbours in the order of use; free slots are chained by `older`.
    private byte[]?[] pages = new byte[]?[SlotsFirst];
    private ulong[] keys = new ulong[SlotsFirst];
    private int[] newer = new int[SlotsFirst];
    private int[] older = new int[SlotsFirst];
    private int newest = None, oldest = None, free = None, used;
    private long reserved;
    private int files;

    /// <param name="capBytes">Most bytes of pages and of what is reserved.</param>
    public IndexPageCache(long capBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capBytes);
        CapBytes = capBytes;
    }

    public long CapBytes { get; }

    /// <summary>Bytes that others keep, filters with them.</summary>
    public long ReservedBytes
    {
        get
        {
            lock (gate) return reserved;
        }
    }

    /// <summary>Bytes of pages and of what is reserved. Above the cap only where more than the cap is reserved.</summary>
    public long UsedBytes
    {
        get
        {
            lock (gate) return reserved + (slots.Count * (long)PageCost);
        }
    }

    /// <summary>Counts memory that somebody keeps for an index: always granted, and taken from the filters and pages.</summary>
    public void Reserve(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        lock (gate)
        {
            reserved += bytes;
            while (filters.Count > 0 && reserved > CapBytes - (CapBytes / FilterShare)) DropLargestFilter();
            while (slots.Count > 0 && reserved + (slots.Count * (long)PageCost) > CapBytes) Drop(oldest);
        }
    }

    public void Release(long bytes)
    {
        lock (gate)
        {
            if (bytes < 0 || bytes > reserved) throw new ArgumentOutOfRangeException(nameof(bytes), bytes, $"{reserved} bytes are reserved");
            reserved -= bytes;
        }
    }

    /// <summary>Reserves memory for a filter, or does not. <paramref name="drop"/> is called, under the cache's lock, when the memory is needed for what cannot be dropped.</summary>
    public bool TryKeepFilter(object owner, long bytes, Action drop)
    {
        lock (gate)
        {
            if (reserved + bytes > CapBytes - (CapBytes / FilterShare)) return false;
            filters.Add((owner, bytes, drop));
        }

        Reserve(bytes);
        return true;
    }

    /// <summary>Gives a number to a file that will read through this cache.</summary>
    public int AddFile()
    {
        lock (gate) return ++files;
    }

    /// <summary>Drops the pages of a file and what was kept for it as a filter.</summary>
    public void RemoveFile(int file, object owner)
    {
        lock (gate)
        {
            foreach (var (key, slot) in slots)
            {
                // Removing an entry does not spoil the enumeration of a dictionary.
                if (key >> 32 == (uint)file) Drop(slot);
            }

            for (var i = filters.Count - 1; i >= 0; i--)
            {
                if (!ReferenceEquals(filters[i].Owner, owner)) continue;
                reserved -= filters[i].Bytes;
                filters.RemoveAt(i);
            }
        }
    }

    /// <summary>The page, if it is here.</summary>
    public byte[]? Find(int file, uint page)
    {
        lock (gate)
        {
            if (!slots.TryGetValue(Key(file, page), out var slot)) return null;
            if (slot != newest)
            {
                Unlink(slot);
                LinkNewest(slot);
            }

            return pages[slot];
        }
    }

    /// <summary>Keeps a page that was read and verified, where the cap has room for one at all. It is not changed any more.</summary>
    public void Add(int file, uint page, byte[] bytes)
    {
        lock (gate)
        {
            // Two readers may have read the same page.
            if (reserved + PageCost > CapBytes || slots.ContainsKey(Key(file, page))) return;
            while (reserved + ((slots.Count + 1) * (long)PageCost) > CapBytes) Drop(oldest);
            var slot = TakeSlot();
            (pages[slot], keys[slot]) = (bytes, Key(file, page));
            slots.Add(keys[slot], slot);
            LinkNewest(slot);
        }
    }

    private static ulong Key(int file, uint page) => ((ulong)(uint)file << 32) | page;

    private void DropLargestFilter()
    {
        var largest = 0;
        for (var i = 1; i < filters.Count; i++)
        {
            if (filters[i].Bytes > filters[largest].Bytes) largest = i;
        }

        var (_, bytes, drop) = filters[largest];
        filters.RemoveAt(largest);
        reserved -= bytes;
        drop();
    }

    private int TakeSlot()
    {
        if (free != None)
        {
            var slot = free;
            free = older[slot];
            return slot;
        }

        if (used == pages.Length)
        {
            Array.Resize(ref pages, 2 * used);
            Array.Resize(ref keys, 2 * used);
            Array.Resize(ref newer, 2 * used);
            Array.Resize(ref older, 2 * used);
        }

        return used++;
    }

    private void Drop(int slot)
    {
        slots.Remove(keys[slot]);
        Unlink(slot);
        pages[slot] = null;
        older[slot] = free;
        free = slot;
    }

    private void LinkNewest(int slot)
    {
        newer[slot] = None;
        older[slot] = newest;
        if (newest != None) newer[newest] = slot;
        newest = slot;
        if (oldest == None) oldest = slot;
    }

    private void Unlink(int slot)
    {
        if (newer[slot] != None) older[newer[slot]] = older[slot];
        else newest = older[slot];
        if (older[slot] != None) newer[older[slot]] = newer[slot];
        else oldest = newer[slot];
    }
}
