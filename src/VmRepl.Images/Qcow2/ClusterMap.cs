using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Qcow2;

/// <summary>Turns disk offsets into places in the file (specification, "Cluster mapping", "Standard Cluster Descriptor", "Extended L2 Entries"): L1, L2 and, where there are such, subclusters. Neighbours of one kind that follow each other in the file are one run.</summary>
internal sealed class ClusterMap(IHostFile file, IHostFile dataFile, Qcow2Header header, L2Cache tables, Func<long> dataLength)
{
    private const ulong ReservedMask = ~(Qcow2Layout.OffsetMask | Qcow2Layout.Copied | Qcow2Layout.CompressedFlag | Qcow2Layout.ZeroFlag);

    private const string ReservedClear = "one with reserved bits clear";

    private readonly int clusterSize = header.ClusterSize;
    private readonly int subclusterSize = header.ClusterSize / Qcow2Layout.SubclustersPerCluster;

    /// <summary>The longest run at <paramref name="offset"/> that one lookup gives, at most <paramref name="length"/> bytes and never zero.</summary>
    /// <exception cref="ImageFormatException">An entry is impossible, or leads to bytes that the file does not have.</exception>
    public ClusterRun Find(long offset, long length)
    {
        var index = (int)(offset / header.BytesPerL2);
        var table = tables.Find(index, (int)(offset % header.BytesPerL2 / clusterSize));
        if (table is null) return new ClusterRun(offset, Math.Min(length, AlikeEnd(index, offset + length) - offset), ClusterKind.Unallocated, 0);
        var tableBytes = (long)table.Words.Length / header.L2EntryWords * clusterSize;
        if (OnlyKind(table) is { } kind)
        {
            var end = tableBytes == header.BytesPerL2 ? AlikeEnd(index, offset + length) : Start(table) + tableBytes;
            return new ClusterRun(offset, Math.Min(length, end - offset), kind, 0);
        }

        length = Math.Min(length, Start(table) + tableBytes - offset);
        var run = header.HasExtendedL2 ? FindExtended(table, offset, length) : FindPlain(table, offset, length);
        if (run.Kind == ClusterKind.Data && run.Host + run.Length > dataLength())
        {
            throw ImageFormatException.Mismatch(dataFile.Path, run.Host, "data cluster",
                $"followed by {run.Length} bytes, those of disk offset {run.Offset}", $"cut: the file ends at {dataLength()}");
        }

        return run;
    }

    /// <summary>Where in the disk the entries of L1 end that are like the one at <paramref name="index"/>; looked for up to <paramref name="end"/>.</summary>
    private long AlikeEnd(int index, long end) => (index + tables.AlikeFrom(index, ((end - 1) / header.BytesPerL2) + 1 - index)) * header.BytesPerL2;

    /// <summary>What all clusters of the table are, where it says the same of all and that needs no place; else null.</summary>
    private ClusterKind? OnlyKind(L2Table table) => table.Only switch
    {
        0 => ClusterKind.Unallocated,
        Qcow2Layout.ZeroFlag when header.Version > 2 && !header.HasExtendedL2 => ClusterKind.Zero,
        _ => null,
    };

    /// <summary>The disk offset of the first entry.</summary>
    private long Start(L2Table table) => (table.Index * header.BytesPerL2) + ((long)table.FirstSlot * clusterSize);

    private ClusterRun FindPlain(L2Table table, long offset, long length)
    {
        var slot = (int)((offset - Start(table)) / clusterSize);
        var inside = offset & (clusterSize - 1);
        var (kind, host) = Classify(table, slot);
        if (kind == ClusterKind.Compressed) return new ClusterRun(offset, Math.Min(length, clusterSize - inside), kind, host);
        var covered = clusterSize - inside;
        for (var next = slot + 1; covered < length; next++)
        {
            var (nextKind, nextHost) = Classify(table, next);
            if (nextKind != kind || (kind == ClusterKind.Data && nextHost != host + inside + covered)) break;
            covered += clusterSize;
        }

        return new ClusterRun(offset, Math.Min(length, covered), kind, kind == ClusterKind.Data ? host + inside : 0);
    }

    private (ClusterKind Kind, long Host) Classify(L2Table table, int slot)
    {
        var entry = table.Words[slot];
        if (entry == 0) return (ClusterKind.Unallocated, 0);
        if ((entry & Qcow2Layout.CompressedFlag) != 0)
        {
            if (header.HasExternalData) throw Bad(table, slot, "one that is not compressed, since the data is in another file", $"0x{entry:x16}");
            return (ClusterKind.Compressed, (long)entry);
        }

        if ((entry & ReservedMask) != 0 || (header.Version == 2 && (entry & Qcow2Layout.ZeroFlag) != 0)) throw Bad(table, slot, ReservedClear, $"0x{entry:x16}");
        var host = Host(table, slot, entry);
        return (entry & Qcow2Layout.ZeroFlag) != 0 ? (ClusterKind.Zero, 0) : (ClusterKind.Data, host);
    }

    /// <summary>The data cluster of an entry that has one, checked.</summary>
    private long Host(L2Table table, int slot, ulong entry)
    {
        var host = (long)(entry & Qcow2Layout.OffsetMask);
        if (!Sectors.IsAligned(host, clusterSize)) throw Bad(table, slot, $"of a place that is a multiple of {clusterSize}", $"0x{entry:x16}");
        if (!header.HasExternalData)
            return host != 0 || (entry & Qcow2Layout.ZeroFlag) != 0 ? host : throw Bad(table, slot, "of a place behind the header", $"0x{entry:x16}");
        var expected = Start(table) + ((long)slot * clusterSize);
        if (host != expected && (host != 0 || (entry & Qcow2Layout.ZeroFlag) == 0)) throw Bad(table, slot, $"of the disk's own offset {expected}, since the data is in another file", $"0x{entry:x16}");
        return host;
    }

    private ClusterRun FindExtended(L2Table table, long offset, long length)
    {
        var slot = (int)((offset - Start(table)) / clusterSize);
        var inside = offset & (clusterSize - 1);
        var (kind, host) = ClassifySub(table, slot, (int)(inside / subclusterSize));
        if (kind == ClusterKind.Compressed) return new ClusterRun(offset, Math.Min(length, clusterSize - inside), kind, host);
        var start = inside & (subclusterSize - 1);
        var covered = subclusterSize - start;
        while (covered < length)
        {
            var at = inside + covered;
            var (nextKind, nextHost) = ClassifySub(table, slot + (int)(at / clusterSize), (int)(at % clusterSize / subclusterSize));
            if (nextKind != kind || (kind == ClusterKind.Data && nextHost != host + start + covered)) break;
            covered += subclusterSize;
        }

        return new ClusterRun(offset, Math.Min(length, covered), kind, kind == ClusterKind.Data ? host + start : 0);
    }

    private (ClusterKind Kind, long Host) ClassifySub(L2Table table, int slot, int sub)
    {
        var entry = table.Words[2 * slot];
        var bitmap = table.Words[(2 * slot) + 1];
        var (allocated, zero) = ((uint)bitmap, (uint)(bitmap >> 32));
        if ((entry & Qcow2Layout.CompressedFlag) != 0)
        {
            if (header.HasExternalData) throw Bad(table, slot, "one that is not compressed, since the data is in another file", $"0x{entry:x16}");
            if (bitmap != 0) throw Bad(table, slot, "of a subcluster bitmap of 0, since it is compressed", $"0x{entry:x16} with 0x{bitmap:x16}");
            return (ClusterKind.Compressed, (long)entry);
        }

        if ((entry & (ReservedMask | Qcow2Layout.ZeroFlag)) != 0) throw Bad(table, slot, ReservedClear, $"0x{entry:x16}");
        if ((allocated & zero) != 0) throw Bad(table, slot, "of subclusters that are data or zero, not both", $"0x{entry:x16} with 0x{bitmap:x16}");
        if (allocated != 0 && entry == 0 && !header.HasExternalData) throw Bad(table, slot, "of a cluster, since it has data subclusters", $"0x{entry:x16} with 0x{bitmap:x16}");
        if ((zero >> sub & 1) != 0) return (ClusterKind.Zero, 0);
        return (allocated >> sub & 1) == 0 ? (ClusterKind.Unallocated, 0) : (ClusterKind.Data, Host(table, slot, entry) + ((long)sub * subclusterSize));
    }

    private ImageFormatException Bad(L2Table table, int slot, string expected, string found) =>
        ImageFormatException.Mismatch(file.Path, table.Host + ((long)slot * header.L2EntryWords * sizeof(ulong)), "L2 entry", expected, found);
}
