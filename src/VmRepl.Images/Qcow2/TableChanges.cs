using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Qcow2;

/// <summary>
/// What a QCOW2 image's tables are to become: entries that were changed in memory, clusters that were taken, and clusters that are given back. Written in the order refcount blocks and data, refcount table, L2, L1,
/// freed clusters, with a barrier after each: a crash may lose space, and never leaves a cluster in use that counts as free. Whoever has it keeps others out.
/// </summary>
internal sealed class TableChanges(IHostFile file, Qcow2Header header, L2Cache tables)
{
    private readonly RefcountTable refcounts = new(file, header);
    private readonly List<Extent> released = [];
    private readonly int clusterSize = header.ClusterSize;
    private (int First, int Last) dirtyL1 = (int.MaxValue, -1);
    private int dirtyTables;
    private long endOfFile = file.Length;
    private volatile bool isChanged;

    /// <summary>Bytes of the file that may be read, those of clusters just taken included.</summary>
    public long EndOfFile => Volatile.Read(ref endOfFile);

    /// <summary>L2 tables that are not written back.</summary>
    public int DirtyTables => Volatile.Read(ref dirtyTables);

    /// <summary>Whether the file's tables are not yet those in memory.</summary>
    public bool IsChanged => isChanged;

    /// <summary>Said before a change, but of an entry: <see cref="Writable"/> says that.</summary>
    public void Begin() => isChanged = true;

    /// <summary>The table of that L1 entry in a form that may be changed: new where there was none, a copy where a snapshot shares it.</summary>
    public L2Table Writable(int index, L2Table? table)
    {
        Begin();
        if (table is not null && (tables.L1[index] & Qcow2Layout.Copied) != 0)
        {
            MarkDirty(table);
            return table;
        }

        var host = Allocate(1).First << header.ClusterBits;
        if (table is null)
        {
            table = new L2Table(index, 0, host, new ulong[clusterSize / sizeof(ulong)]);
            MarkDirty(table);
        }
        else
        {
            released.Add(new Extent(table.Host >> header.ClusterBits, 1));
            table.Host = host;
            MarkDirty(table);
        }

        tables.L1[index] = (ulong)host | Qcow2Layout.Copied;
        dirtyL1 = (Math.Min(dirtyL1.First, index), Math.Max(dirtyL1.Last, index));
        return table;
    }

    private void MarkDirty(L2Table table)
    {
        if (tables.MarkDirty(table)) dirtyTables++;
    }

    /// <summary>What the entry named before is given back at the next write-back.</summary>
    public void Publish(L2Table table, int slot, ulong entry)
    {
        var old = table.Words[slot];
        Volatile.Write(ref table.Words[slot], entry);
        if ((old & Qcow2Layout.CompressedFlag) != 0)
        {
            var place = CompressedEntry.Parse(file.Path, old, header.ClusterBits);
            released.Add(Extent.FromEnds(place.Host >> header.ClusterBits, ((place.Host + place.Length - 1) >> header.ClusterBits) + 1));
        }
        else if (L2Table.HostOf(old) != 0)
        {
            released.Add(new Extent(L2Table.HostOf(old) >> header.ClusterBits, 1));
        }
    }

    /// <summary>Takes clusters that nobody uses, at most as many as asked for.</summary>
    public (long First, int Count, bool IsVirgin) Allocate(int count)
    {
        var taken = refcounts.Allocate(count);
        NoteEnd();
        return taken;
    }

    /// <summary>Takes so many clusters in a row.</summary>
    public long AllocateRow(int count)
    {
        var first = refcounts.AllocateRow(() => count);
        NoteEnd();
        return first;
    }

    /// <summary>Gives clusters back at the next write-back: nothing that is durable may name them any more.</summary>
    public void Release(Extent clusters) => released.Add(clusters);

    /// <summary>Brings the file's tables up to those in memory; nothing where nothing was changed.</summary>
    /// <param name="isOrdered">Whether the host has to write each step before the next: without, only the image's maker may crash.</param>
    public void WriteBack(bool isOrdered)
    {
        if (!isChanged) return;
        refcounts.PlaceTable();
        NoteEnd();
        // Whole clusters up to the end: a reader is entitled to every byte of a cluster.
        if (file.Length < endOfFile) file.SetLength(endOfFile);
        refcounts.WriteBlocks();
        Barrier();
        refcounts.WriteTable(Barrier);
        foreach (var table in tables.Dirty())
        {
            file.WriteNumbers(table.Host, table.Words);
            tables.MarkWritten(table);
        }

        dirtyTables = 0;
        Barrier();
        if (dirtyL1.Last >= 0)
        {
            file.WriteNumbers(header.L1Offset + ((long)dirtyL1.First * sizeof(ulong)), tables.L1.AsSpan(dirtyL1.First..(dirtyL1.Last + 1)));
            dirtyL1 = (int.MaxValue, -1);
            Barrier();
        }

        Release();
        isChanged = false;

        void Barrier()
        {
            if (isOrdered) file.Flush();
        }
    }

    /// <summary>Clusters that no durable table names any more lose their reference, and their space where the volume can.</summary>
    private void Release()
    {
        if (refcounts.MovedFrom.Length > 0) released.Add(refcounts.MovedFrom);
        refcounts.ForgetMoved();
        if (released.Count == 0) return;
        var free = refcounts.Release(released);
        released.Clear();
        refcounts.WriteBlocks();
        foreach (var extent in new ExtentSet(free).Extents) _ = file.TryPunch(extent.Offset, Math.Min(extent.Length, Math.Max(0, file.Length - extent.Offset)));
    }

    private void NoteEnd() => Volatile.Write(ref endOfFile, Math.Max(endOfFile, refcounts.End << header.ClusterBits));
}
