using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Qcow2;

/// <summary>
/// The L1 table (specification, "Cluster mapping"), and the second-level tables last used, bounded in bytes. Safe for concurrent readers; one lock, held while a table is loaded.
/// Dirty tables are never dropped: the writer counts them and writes them in time.
/// </summary>
internal sealed class L2Cache
{
    private const int CacheBytes = 16 << 20, TablesMin = 8;

    private readonly Lock gate = new();
    private readonly Dictionary<int, LinkedListNode<L2Table>> tables = [];
    private readonly LinkedList<L2Table> byUse = [];
    private readonly IHostFile file;
    private readonly Qcow2Header header;
    private readonly int tablesMax;

    public L2Cache(IHostFile file, Qcow2Header header)
    {
        this.file = file;
        this.header = header;
        tablesMax = Math.Max(TablesMin, CacheBytes / header.ClusterSize);
        L1 = file.ReadNumbers(header.L1Offset, header.L1EntriesNeeded, "L1 table");
    }

    /// <summary>The entries that the disk's size needs; replaced by a longer table when the disk grows.</summary>
    public ulong[] L1 { get; set; }

    /// <summary>The table at <paramref name="index"/> of L1, or null where L1 has none.</summary>
    /// <exception cref="ImageFormatException">Its entry or its place is impossible.</exception>
    public L2Table? Find(int index)
    {
        lock (gate)
        {
            if (tables.TryGetValue(index, out var node))
            {
                if (byUse.First != node)
                {
                    byUse.Remove(node);
                    byUse.AddFirst(node);
                }

                return node.Value;
            }

            var entry = L1[index];
            if ((entry & Qcow2Layout.OffsetMask) == 0 && (entry & ~Qcow2Layout.Copied) == 0) return null;
            var table = new L2Table(index, Host(index, entry), file.ReadNumbers(Host(index, entry), header.ClusterSize / sizeof(ulong), "L2 table"));
            Keep(table);
            return table;
        }
    }

    /// <summary>
    /// Keeps the table until it is written. Between its being found and this call another thread's reads may have pushed it out, and even loaded it again from the file;
    /// the one given is the one that counts. True: it was not dirty before.
    /// </summary>
    public bool MarkDirty(L2Table table)
    {
        lock (gate)
        {
            if (table.IsDirty) return false;
            table.IsDirty = true;
            if (tables.TryGetValue(table.Index, out var node))
            {
                if (node.Value == table) return true;
                byUse.Remove(node);
                tables.Remove(table.Index);
            }

            Keep(table);
            return true;
        }
    }

    /// <summary>Dirty tables in order of their place in the disk.</summary>
    public List<L2Table> Dirty()
    {
        lock (gate) return [.. byUse.Where(t => t.IsDirty).OrderBy(t => t.Index)];
    }

    private void Keep(L2Table table)
    {
        tables[table.Index] = byUse.AddFirst(table);
        for (var node = byUse.Last; tables.Count > tablesMax && node is not null && node != byUse.First;)
        {
            var before = node.Previous;
            if (!node.Value.IsDirty)
            {
                byUse.Remove(node);
                tables.Remove(node.Value.Index);
            }

            node = before;
        }
    }

    private long Host(int index, ulong entry)
    {
        var host = (long)(entry & Qcow2Layout.OffsetMask);
        if ((entry & ~(Qcow2Layout.OffsetMask | Qcow2Layout.Copied)) != 0 || host == 0 || !Sectors.IsAligned(host, header.ClusterSize))
            throw new ImageFormatException(file.Path, header.L1Offset + ((long)index * sizeof(ulong)), "L1 entry", $"0x{entry:x16} is no place of an L2 table");
        return host;
    }
}
