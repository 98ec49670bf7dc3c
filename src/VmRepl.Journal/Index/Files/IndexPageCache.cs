namespace VmRepl.Journal.Index.Files;

/// <summary>
/// The pages of all index files of a store that were used lately, under one cap with whatever else keeps an index in memory: what is reserved makes room by dropping filters and then pages.
/// Which page goes is found by a hand that goes round: one that was used since the hand passed it last is spared once. A page, once handed out, stays as it is; dropping it only means that it is
/// read again. Safe for concurrent use.
/// </summary>
internal sealed class IndexPageCache
{
    /// <summary>Bytes counted for a page: its own, and its object's and the hand's.</summary>
    public const int PageCost = IndexLayout.PageBytes + 48;

    // Filters save reads and are worth memory, but never the last quarter of it.
    private const int FilterShare = 4;

    private readonly Lock gate = new();
    private readonly List<(object Owner, long Bytes, Action Drop)> filters = [];
    private readonly List<(IndexPageTable Table, uint Page)> ring = [];
    private int hand;
    private long bytesRead;
    private long reserved;

    /// <param name="capBytes">Most bytes of pages and of what is reserved.</param>
    public IndexPageCache(long capBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capBytes);
        CapBytes = capBytes;
    }

    public long CapBytes { get; }

    /// <summary>Bytes of pages read from files.</summary>
    public long BytesRead => Interlocked.Read(ref bytesRead);

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
            lock (gate) return reserved + PagesCost(0);
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
            while (ring.Count > 0 && reserved + PagesCost(0) > CapBytes)
            {
                ring[FindVictim()] = ring[^1];
                ring.RemoveAt(ring.Count - 1);
            }
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

    /// <summary>Keeps a page that was read and verified, where the cap has room for one at all. It is not changed any more.</summary>
    public void Add(IndexPageTable table, uint page, byte[] bytes)
    {
        Interlocked.Add(ref bytesRead, bytes.Length);
        lock (gate)
        {
            // Two readers may have read the same page.
            if (reserved + PageCost > CapBytes || table.Has(page)) return;
            if (reserved + PagesCost(1) <= CapBytes)
            {
                ring.Add((table, page));
            }
            else
            {
                var slot = FindVictim();
                ring[slot] = (table, page);
                // The hand comes to the new page last.
                hand = slot + 1;
            }

            table.Set(page, bytes);
        }
    }

    /// <summary>Drops the pages of a file, and what <paramref name="owner"/> kept as a filter.</summary>
    public void Remove(IndexPageTable table, object owner)
    {
        lock (gate)
        {
            foreach (var entry in ring)
            {
                if (ReferenceEquals(entry.Table, table)) table.Set(entry.Page, null);
            }

            ring.RemoveAll(e => ReferenceEquals(e.Table, table));
            hand = 0;
            reserved -= filters.Where(f => ReferenceEquals(f.Owner, owner)).Sum(f => f.Bytes);
            filters.RemoveAll(f => ReferenceEquals(f.Owner, owner));
        }
    }

    private long PagesCost(int more) => (ring.Count + more) * (long)PageCost;

    /// <summary>Drops a page; its place in the ring is to be taken by another.</summary>
    private int FindVictim()
    {
        while (true)
        {
            if (hand >= ring.Count) hand = 0;
            var (table, page) = ring[hand];
            if (!table.TakeMark(page))
            {
                table.Set(page, null);
                return hand;
            }

            hand++;
        }
    }

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
}
