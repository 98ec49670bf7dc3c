using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Qcow2;

/// <summary>
/// The reference counts of an image open for writing (specification, "Host cluster management"), and the allocator over them. Not safe for concurrent use: the writer holds its lock.
/// Changes stay in memory until <see cref="WriteBlocks"/>; a new block is written and durable before the table names it, so a crash leaves space lost and nothing else.
/// </summary>
internal sealed class RefcountTable
{
    private readonly IHostFile file;
    private readonly Qcow2Header header;
    private readonly Dictionary<long, RefcountBlock> blocks = [];
    private readonly int entriesPerBlock;
    private ulong[] table;
    private (long Offset, int Clusters) place;
    private long next;
    private bool tableIsDirty, tableIsMoving;

    public RefcountTable(IHostFile file, Qcow2Header header)
    {
        this.file = file;
        this.header = header;
        entriesPerBlock = header.ClusterSize * 8 >> header.RefcountOrder;
        place = (header.RefcountTableOffset, header.RefcountTableClusters);
        table = file.ReadNumbers(place.Offset, place.Clusters * (header.ClusterSize / sizeof(ulong)), "refcount table");
        End = (file.Length + header.ClusterSize - 1) / header.ClusterSize;
    }

    /// <summary>First cluster past everything in use; a cluster there was never written and reads as zeros.</summary>
    public long End { get; private set; }

    /// <summary>Takes up to <paramref name="count"/> free clusters in a row.</summary>
    /// <returns>The first one's number, how many, and whether all are past the old end of the file, so that they read as zeros.</returns>
    public (long First, int Count, bool IsVirgin) Allocate(int count)
    {
        while (true)
        {
            if (Block(next / entriesPerBlock) is null)
            {
                CreateBlock(next / entriesPerBlock, next);
                next++;
            }
            else if (Get(next) != 0)
            {
                next++;
            }
            else
            {
                break;
            }
        }

        var (first, taken, isVirgin) = (next, 0, next >= End);
        while (taken < count && Block(next / entriesPerBlock) is not null && Get(next) == 0 && (next >= End) == isVirgin)
        {
            Set(next, 1);
            next++;
            taken++;
            if (isVirgin) End = next;
        }

        return (first, taken, isVirgin);
    }

    /// <summary>Takes one reference off each of the clusters; returns those that are free now.</summary>
    public List<Extent> Release(IEnumerable<Extent> clusters)
    {
        List<Extent> free = [];
        foreach (var range in clusters)
        {
            for (var cluster = range.Offset; cluster < range.End; cluster++)
            {
                var count = Get(cluster);
                if (count == 0) throw ImageFormatException.Mismatch(file.Path, cluster << header.ClusterBits, "refcount", "above 0 for a cluster in use", "0");
                Set(cluster, count - 1);
                if (count > 1) continue;
                next = Math.Min(next, cluster);
                free.Add(new Extent(cluster << header.ClusterBits, header.ClusterSize));
            }
        }

        return free;
    }

    public void WriteBlocks()
    {
        foreach (var block in blocks.Values.Where(b => b.IsDirty).OrderBy(b => b.Host))
        {
            file.Write(block.Host, block.Bytes);
            block.IsDirty = false;
        }
    }

    /// <summary>Finds a place for a table that outgrew its own. Before <see cref="WriteBlocks"/>, since it takes clusters.</summary>
    public void PlaceTable()
    {
        if (!tableIsMoving) return;
        // The table may grow while its own place is sought.
        var first = AllocateRow(() => table.Length * sizeof(ulong) / header.ClusterSize);
        var wanted = table.Length * sizeof(ulong) / header.ClusterSize;
        MovedFrom = new Extent(place.Offset >> header.ClusterBits, place.Clusters);
        place = (first << header.ClusterBits, wanted);
    }

    /// <summary>The old place of a table that moved, to be released once the header names the new one.</summary>
    public Extent MovedFrom { get; private set; }

    /// <summary>Writes the table if it changed. The blocks it names are durable already.</summary>
    /// <param name="barrier">Makes durable what was written before.</param>
    public void WriteTable(Action barrier)
    {
        if (!tableIsDirty) return;
        file.WriteNumbers(place.Offset, table);
        barrier();
        tableIsDirty = false;
        if (!tableIsMoving) return;
        // Offset and size of the table stand side by side in the header's first sector: one write, whole or not at all.
        Span<byte> fields = stackalloc byte[12];
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(fields, place.Offset);
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(fields[8..], place.Clusters);
        file.Write(Qcow2Layout.RefcountTableOffsetAt, fields);
        barrier();
        tableIsMoving = false;
    }

    public void ForgetMoved() => MovedFrom = default;

    /// <summary>Takes clusters in a row past the end, as many as are wanted when all the blocks that count them are there.</summary>
    public long AllocateRow(Func<int> wanted)
    {
        for (var first = End; ; first = End)
        {
            var missing = Enumerable.Range(0, wanted()).Select(i => (first + i) / entriesPerBlock).FirstOrDefault(b => Block(b) is null, -1);
            if (missing < 0) break;
            CreateBlock(missing, first);
        }

        var (start, count) = (End, wanted());
        for (var i = 0; i < count; i++) Set(start + i, 1);
        End = start + count;
        return start;
    }

    private ulong Get(long cluster) => Block(cluster / entriesPerBlock) is { } block ? block[(int)(cluster % entriesPerBlock)] : 0;

    private void Set(long cluster, ulong value) => Block(cluster / entriesPerBlock)![(int)(cluster % entriesPerBlock)] = value;

    private RefcountBlock? Block(long index)
    {
        if (blocks.TryGetValue(index, out var block)) return block;
        if (index >= table.Length || table[index] == 0) return null;
        var host = (long)table[index];
        if (host < 0 || !Sectors.IsAligned(host, header.ClusterSize))
            throw ImageFormatException.Mismatch(file.Path, place.Offset + (index * sizeof(ulong)), "refcount table entry", "the place of a refcount block", $"0x{table[index]:x16}");
        file.RequireInside(host, header.ClusterSize, "refcount block");
        var bytes = new byte[header.ClusterSize];
        file.ReadField(host, bytes, "refcount block");
        return blocks[index] = new RefcountBlock(host, bytes, header.RefcountOrder);
    }

    /// <summary>Makes the block of that index in the free cluster <paramref name="at"/>, which the block itself or an existing one counts.</summary>
    private void CreateBlock(long index, long at)
    {
        if (index >= table.Length) Grow(index + 1);
        blocks[index] = new RefcountBlock(at << header.ClusterBits, new byte[header.ClusterSize], header.RefcountOrder);
        table[index] = (ulong)at << header.ClusterBits;
        tableIsDirty = true;
        Set(at, 1);
        End = Math.Max(End, at + 1);
    }

    private void Grow(long entries)
    {
        var perCluster = header.ClusterSize / sizeof(ulong);
        var wanted = Sectors.AlignUp(Math.Max(entries + 1, table.Length * 3L / 2), perCluster);
        if (wanted * sizeof(ulong) > Qcow2Layout.RefcountTableBytesMax)
            throw new ImageFullException($"{file.Path}: the image cannot grow: its refcount table would pass {Qcow2Layout.RefcountTableBytesMax} bytes");
        Array.Resize(ref table, (int)wanted);
        (tableIsDirty, tableIsMoving) = (true, true);
    }
}
