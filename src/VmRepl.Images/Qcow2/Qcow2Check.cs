using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Qcow2;

/// <summary>
/// Walks everything that the header leads to (L1, L2, snapshots, bitmaps, refcounts), counts the references to each cluster and compares them with the file's refcounts.
/// A stored count above the true one is space lost; one below it, an overlap, or a reference past the file's end is damage. Contents are not looked at.
/// </summary>
internal sealed class Qcow2Check(IHostFile file, Qcow2Header header)
{
    private const int FindingsMax = 1000;

    /// <summary>L2 tables that any file may have, whatever of it is a hole.</summary>
    private const int TablesAnyway = 128 << 10;

    private readonly List<ImageFinding> damages = [], leaks = [];
    private readonly ClusterUses uses = new(() => ClustersStored(file, header));

    // Each with the number of L1 tables that name it, and whether the active one does.
    private readonly Dictionary<long, (uint Weight, bool IsActive)> l2Tables = [];
    private readonly long fileLength = file.Length;
    private readonly int clusterSize = header.ClusterSize;

    public IReadOnlyList<ImageFinding> Run()
    {
        Structure(0, clusterSize, "the header", mayBeShort: true);
        try
        {
            CountL1(header.L1Offset, header.L1Entries, "the L1 table", isActive: true);
            foreach (var snapshot in Qcow2SnapshotTable.Read(file, header, damage => Damage(damage.Message))) CountL1(snapshot.L1Offset, snapshot.L1Entries, $"the L1 table of snapshot {snapshot.Number}", isActive: false);
            if (header.SnapshotCount > 0) Structure(header.SnapshotsOffset, Qcow2SnapshotTable.Bytes(file, header), "the snapshot table", mayBeShort: true);
            foreach (var (offset, named) in l2Tables) CountL2(offset, named.Weight);
            new Qcow2BitmapCheck(file, header, Structure, Damage).Run();
            CompareRefcounts();
            CheckCopiedFlags();
        }
        catch (Exception e) when (e is ImageFormatException or InvalidDataException)
        {
            damages.Add(new ImageFinding(true, e is ImageFormatException ? e.Message : $"{file.Path}: {e.Message}"));
        }

        return [.. damages, .. leaks];
    }

    /// <summary>Clusters that the file has contents for: what bounds the references that a sound image can hold. Asked only where there are many.</summary>
    private static long ClustersStored(IHostFile file, Qcow2Header header) => file.Map(0, file.Length).Where(r => !r.IsHole).Sum(r => r.Length) >> header.ClusterBits;

    private void Damage(string message)
    {
        // An image that is nothing but damage would make any number of messages.
        if (damages.Count >= FindingsMax - 1) throw new InvalidDataException($"there are {FindingsMax} faults and more; the rest was not looked at");
        damages.Add(new ImageFinding(true, $"{file.Path}: {message}"));
    }

    private ulong[] ReadTable(long offset, int entries, string what)
    {
        try
        {
            return file.ReadNumbers(offset, entries, what);
        }
        catch (ImageFormatException e)
        {
            Damage(e.Message);
            return [];
        }
    }

    /// <summary>
    /// Counts a structure's clusters. False: it leaves the file, is not aligned or overlaps something, and must not be followed; the work of a check is so bounded by the
    /// file's size, whatever its tables say.
    /// </summary>
    private bool Structure(long offset, long length, string what, uint weight = 1, bool mayBeShort = false)
    {
        if (!Sectors.IsAligned(offset, clusterSize) || offset < 0 || offset >= fileLength || (!mayBeShort && length > fileLength - offset))
        {
            Damage($"{what} at offset {offset} with {length} bytes is not aligned or leaves the file, which ends at {fileLength}");
            return false;
        }

        var isAlone = true;
        for (long at = 0; at < length; at += clusterSize)
        {
            if (uses.AddStructure((offset + at) >> header.ClusterBits, weight)) continue;
            Damage($"{what} at offset {offset} overlaps something else at {offset + at}");
            isAlone = false;
        }

        return isAlone;
    }

    private void CountL1(long offset, int entries, string what, bool isActive)
    {
        if (entries == 0 || !Structure(offset, (long)entries * sizeof(ulong), what)) return;
        var own = new HashSet<long>();
        foreach (var entry in file.ReadNonZero(offset, entries, what))
        {
            var host = (long)(entry & Qcow2Layout.OffsetMask);
            if ((entry & ~(Qcow2Layout.OffsetMask | Qcow2Layout.Copied)) != 0) Damage($"{what} has the entry 0x{entry:x16} with reserved bits set");
            if (host == 0) continue;
            if (host >= fileLength)
            {
                Damage($"{what} names an L2 table at {host}, but the file ends at {fileLength}");
                continue;
            }

            // Walking a table once for each time it is named would let a small file ask for any amount of work.
            if (!own.Add(host))
            {
                Damage($"{what} names the L2 table at {host} twice");
                continue;
            }

            var (weight, wasActive) = l2Tables.GetValueOrDefault(host);
            l2Tables[host] = (weight + 1, wasActive || isActive);
            if (l2Tables.Count > TablesAnyway && l2Tables.Count > uses.ClustersStored)
                throw ImageFormatException.Mismatch(file.Path, offset, "L1 table", $"of at most {uses.ClustersStored} L2 tables, for as many clusters the file has contents", $"of {l2Tables.Count}");
        }
    }

    /// <summary>An L2 table; empty where it is a hole of the file.</summary>
    private ulong[] ReadL2(long offset, string what) =>
        IsHole(offset) ? [] : ReadTable(offset, clusterSize / sizeof(ulong), what);

    /// <summary>Whether the cluster is a hole of the file: zeros that cost a small file nothing to have, and must not cost the reader anything.</summary>
    private bool IsHole(long offset) => file.Map(offset, clusterSize).FirstOrDefault() is { IsHole: true } hole && hole.Length >= clusterSize;

    private void CountL2(long offset, uint weight)
    {
        var what = $"the L2 table at {offset}";
        if (!Structure(offset, clusterSize, what, weight)) return;
        var words = ReadL2(offset, what);
        for (var i = 0; i < words.Length; i += header.L2EntryWords)
        {
            var entry = words[i];
            if ((entry & Qcow2Layout.CompressedFlag) != 0) CountCompressed(entry, weight, what);
            else if ((entry & Qcow2Layout.OffsetMask) != 0 && !header.HasExternalData) CountData(entry, header.L2EntryWords == 2 ? words[i + 1] : null, weight, what);
        }
    }

    private void CountCompressed(ulong entry, uint weight, string what)
    {
        try
        {
            var place = CompressedEntry.Parse(file.Path, entry, header.ClusterBits);
            if (place.Host >= fileLength)
            {
                Damage($"{what} names a compressed cluster at {place.Host}, but the file ends at {fileLength}");
                return;
            }

            for (var cluster = place.Host >> header.ClusterBits; cluster <= (place.Host + place.Length - 1) >> header.ClusterBits; cluster++)
            {
                if (!uses.AddData(cluster, weight)) Damage($"{what} names compressed data over a table at {cluster << header.ClusterBits}");
            }
        }
        catch (ImageFormatException e)
        {
            Damage(e.Message);
        }
    }

    private void CountData(ulong entry, ulong? bitmap, uint weight, string what)
    {
        var host = (long)(entry & Qcow2Layout.OffsetMask);
        if (!Sectors.IsAligned(host, clusterSize))
        {
            Damage($"{what} names a cluster at {host}, which is not aligned");
            return;
        }

        // What is preallocated and not written may lie past the end: subclusters not in use, and zero clusters.
        var isRead = bitmap is { } bits ? (uint)bits != 0 : (entry & Qcow2Layout.ZeroFlag) == 0;
        if (isRead && host >= fileLength)
        {
            Damage($"{what} names a cluster at {host}, but the file ends at {fileLength}");
            return;
        }

        if (!uses.AddData(host >> header.ClusterBits, weight)) Damage($"{what} names data over a table at {host}");
    }

    private void CompareRefcounts()
    {
        var table = ReadTable(header.RefcountTableOffset, header.RefcountTableClusters * (clusterSize / sizeof(ulong)), "the refcount table");
        if (table.Length == 0 || !Structure(header.RefcountTableOffset, (long)header.RefcountTableClusters << header.ClusterBits, "the refcount table")) return;
        var valid = new bool[table.Length];
        for (var i = 0; i < table.Length; i++)
            valid[i] = table[i] != 0 && table[i] <= long.MaxValue && Structure((long)table[i], clusterSize, $"refcount block {i}");
        var perBlock = clusterSize * 8 >> header.RefcountOrder;
        RefcountBlock? block = null;
        long blockIndex = -1;
        foreach (var (first, counts) in uses.Pages)
        {
            for (var i = 0; i < counts.Length; i++)
            {
                if (counts[i] == 0) continue;
                var stored = Stored(first + i);
                if (stored < counts[i]) Damage($"the cluster at {(first + i) << header.ClusterBits} is referenced {counts[i]} times, its refcount is {stored}");
            }
        }

        for (var i = 0; i < table.Length; i++)
        {
            if (valid[i] && !IsHole((long)table[i])) CountLeaks(ReadBlock((long)table[i]), (long)i * perBlock, perBlock);
        }

        ulong Stored(long cluster)
        {
            var index = cluster / perBlock;
            if (index >= table.Length || !valid[index]) return 0;
            if (blockIndex != index) (block, blockIndex) = (ReadBlock((long)table[index]), index);
            return block![(int)(cluster % perBlock)];
        }
    }

    private RefcountBlock ReadBlock(long host)
    {
        var bytes = new byte[clusterSize];
        file.ReadField(host, bytes, "refcount block");
        return new RefcountBlock(host, bytes, header.RefcountOrder);
    }

    private void CountLeaks(RefcountBlock block, long first, int count)
    {
        if (Sectors.IsZero(block.Bytes)) return;
        for (var i = 0; i < count; i++)
        {
            var stored = block[i];
            if (stored == 0 || stored <= uses[first + i]) continue;
            if (leaks.Count >= FindingsMax) return;
            leaks.Add(new ImageFinding(false, $"{file.Path}: the cluster at {(first + i) << header.ClusterBits} is referenced {uses[first + i]} times, its refcount is {stored}: space is lost"));
        }
    }

    /// <summary>A cluster that says it has one reference is written in place; if it has more, a write would go through to a snapshot.</summary>
    private void CheckCopiedFlags()
    {
        foreach (var entry in file.ReadNonZero(header.L1Offset, header.L1Entries, "the L1 table"))
        {
            var host = (long)(entry & Qcow2Layout.OffsetMask);
            if (host != 0 && (entry & Qcow2Layout.Copied) != 0 && uses[host >> header.ClusterBits] > 1) Damage($"the L2 table at {host} says that it is not shared, but it is");
        }

        foreach (var (host, named) in l2Tables)
        {
            if (!named.IsActive || clusterSize > fileLength - host || !Sectors.IsAligned(host, clusterSize) || header.HasExternalData) continue;
            var words = ReadL2(host, "L2 table");
            for (var i = 0; i < words.Length; i += header.L2EntryWords)
            {
                if ((words[i] & (Qcow2Layout.Copied | Qcow2Layout.CompressedFlag)) != Qcow2Layout.Copied) continue;
                var data = (long)(words[i] & Qcow2Layout.OffsetMask);
                if (data != 0 && uses[data >> header.ClusterBits] > 1) Damage($"the cluster at {data} says that it is not shared, but it is");
            }
        }
    }
}
