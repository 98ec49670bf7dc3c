namespace VmRepl.Images.Qcow2;

/// <summary>
/// How often each host cluster is referenced, and whether by a table. Memory goes with the clusters in use, two bytes each, and is bounded by what the file has contents for: not by what a hostile file
/// claims to be long, nor by how far apart its references lie.
/// </summary>
/// <param name="countStored">Clusters that the file has contents for; asked once, and only where there are many references.</param>
internal sealed class ClusterUses(Func<long> countStored)
{
    private const int PageClusters = 256;

    /// <summary>Pages that any file may have: some 16 MiB, 8M clusters that lie side by side.</summary>
    private const int PagesAnyway = 28_000;

    private const ushort StructureFlag = 1 << 15;

    /// <summary>Counts stop here: a refcount is compared with what is counted, and none of these is less.</summary>
    private const ushort CountMax = StructureFlag - 1;

    private readonly Dictionary<long, ushort[]> pages = [];
    private readonly Lazy<long> stored = new(countStored);
    private long lastPage = -1;
    private ushort[] last = [];

    public long ClustersStored => stored.Value;

    /// <summary>First clusters of the pages that anything is in, in order, with the counts of each.</summary>
    public IEnumerable<(long First, uint[] Counts)> Pages => pages.Keys.Order().Select(k => (k * PageClusters, Array.ConvertAll(pages[k], c => (uint)c & CountMax)));

    public uint this[long cluster] => Page(cluster / PageClusters, make: false) is { } page ? (uint)page[cluster % PageClusters] & CountMax : 0;

    /// <summary>Adds references by data. False: a table stands there.</summary>
    /// <exception cref="InvalidDataException">There are more references, or farther apart, than a file with so few contents has.</exception>
    public bool AddData(long cluster, uint weight)
    {
        ref var slot = ref Page(cluster / PageClusters, make: true)![cluster % PageClusters];
        var isFree = (slot & StructureFlag) == 0;
        slot = (ushort)((slot & StructureFlag) | (int)Added(slot, weight));
        return isFree;
    }

    /// <summary>Adds a table. False: something stands there already.</summary>
    public bool AddStructure(long cluster, uint weight)
    {
        ref var slot = ref Page(cluster / PageClusters, make: true)![cluster % PageClusters];
        var isFree = slot == 0;
        slot = (ushort)(StructureFlag | (int)Added(slot, weight));
        return isFree;
    }

    private static uint Added(ushort slot, uint weight) => (uint)Math.Min((ulong)(slot & CountMax) + weight, CountMax);

    private ushort[]? Page(long index, bool make)
    {
        if (index == lastPage) return last;
        if (!pages.TryGetValue(index, out var page))
        {
            if (!make) return null;
            // Twice what is stored: a sound file may have given clusters up, or have preallocated some.
            if (pages.Count >= PagesAnyway && pages.Count > 2 * stored.Value / PageClusters)
                throw new InvalidDataException($"clusters in {pages.Count} places are referenced, and the file has contents for {stored.Value}");
            pages[index] = page = new ushort[PageClusters];
        }

        (lastPage, last) = (index, page);
        return page;
    }
}
