namespace VmRepl.Images.Qcow2;

/// <summary>How often each host cluster is referenced, and whether by a table. Memory goes with the clusters in use, not with what a hostile file claims to be long.</summary>
internal sealed class ClusterUses
{
    private const int PageClusters = 4096;
    private const uint StructureFlag = 1U << 31, CountMask = StructureFlag - 1;

    private readonly SortedDictionary<long, uint[]> pages = [];
    private long lastPage = -1;
    private uint[] last = [];

    /// <summary>First clusters of the pages that anything is in, in order.</summary>
    public IEnumerable<(long First, uint[] Counts)> Pages => pages.Select(p => (p.Key * PageClusters, Array.ConvertAll(p.Value, c => c & CountMask)));

    public uint this[long cluster] => Page(cluster / PageClusters, make: false) is { } page ? page[cluster % PageClusters] & CountMask : 0;

    /// <summary>Adds references by data. False: a table stands there.</summary>
    public bool AddData(long cluster, uint weight)
    {
        ref var slot = ref Page(cluster / PageClusters, make: true)![cluster % PageClusters];
        var isFree = (slot & StructureFlag) == 0;
        slot = (slot & StructureFlag) | (uint)Math.Min((ulong)(slot & CountMask) + weight, CountMask);
        return isFree;
    }

    /// <summary>Adds a table. False: something stands there already.</summary>
    public bool AddStructure(long cluster, uint weight)
    {
        ref var slot = ref Page(cluster / PageClusters, make: true)![cluster % PageClusters];
        var isFree = slot == 0;
        slot = StructureFlag | (uint)Math.Min((ulong)(slot & CountMask) + weight, CountMask);
        return isFree;
    }

    private uint[]? Page(long index, bool make)
    {
        if (index == lastPage) return last;
        if (!pages.TryGetValue(index, out var page))
        {
            if (!make) return null;
            pages[index] = page = new uint[PageClusters];
        }

        (lastPage, last) = (index, page);
        return page;
    }
}
