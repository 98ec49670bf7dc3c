using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>
/// Looks at every table of an extent and every entry in them (Virtual Disk Format 5.0, "Grain Directory", "Grain Table"): places outside the file, over structures, over each other; and at the unclean flag. What a table's place is wrong for is not followed, so the work is
/// bounded by what the file holds.
/// </summary>
internal static class SparseCheck
{
    private const int FindingsMax = 100;

    /// <summary>Most grains' worth of file that are looked at, one bit of memory each. With grains of 64 KiB, a file of 8 TiB, four times what sector numbers of 32 bits reach.</summary>
    private const long UnitsMax = 128 << 20;

    /// <summary>Most tables, both copies counted, four bytes of memory each: of a disk of 62 TiB in grains of 64 KiB.</summary>
    private const int TablesMax = 4 << 20;

    public static IReadOnlyList<ImageFinding> Run(IHostFile file, SparseHeader header, GrainTables tables)
    {
        var findings = new List<ImageFinding>();
        if (header.IsUnclean) findings.Add(new ImageFinding(false, $"{file.Path}: was not closed cleanly; grains may be lost space"));
        if (!tables.AreWhole) findings.Add(new ImageFinding(true, $"{file.Path}: one of the two grain directories is outside the file"));
        if (header.IsCompressed) return findings;
        // Sector numbers reach 2 TiB; what lies behind cannot be named.
        var named = Math.Min(file.Length, (1L + uint.MaxValue) * VmdkLayout.SectorBytes);
        if (named / header.GrainBytes > UnitsMax)
        {
            findings.Add(new ImageFinding(true, $"{file.Path}: has {file.Length} bytes, too many to look for overlaps in grains of {header.GrainBytes}"));
            return findings;
        }

        // Room for all that there can be at once: an array that grows would for a moment take twice as much.
        var room = new uint[Math.Min(TablesMax, 2 * header.Tables)];
        var count = 0;
        foreach (var sector in tables.TableSectors())
        {
            if (count == room.Length)
            {
                findings.Add(new ImageFinding(true, $"{file.Path}: has more than {TablesMax} grain tables, too many to look for overlaps"));
                return findings;
            }

            room[count++] = sector;
        }

        Array.Sort(room, 0, count);
        var places = new ArraySegment<uint>(room, 0, count);
        if (FindTableFault(file, header, tables, places) is { } fault)
        {
            findings.Add(new ImageFinding(true, $"{file.Path}: {fault}"));
            return findings;
        }

        var starts = new GrainStarts(header.GrainSectors, (named / VmdkLayout.SectorBytes) + header.GrainSectors);
        foreach (var number in tables.Numbers())
        {
            if (findings.Count >= FindingsMax) break;
            var end = Math.Min(header.Grains, (number + 1) * header.TableEntries);
            for (var grain = number * header.TableEntries; grain < end && findings.Count < FindingsMax; grain++)
            {
                grain += tables.AbsentFrom(grain);
                if (grain >= end) break;
                var sector = tables[grain];
                if (sector == 1 && header.Flags.HasFlag(SparseFlags.ZeroedGrains)) continue;
                if (FindFault(file, header, grain, sector, places) is { } problem || (problem = starts.Add(sector)) is not null)
                    findings.Add(new ImageFinding(true, $"{file.Path}: grain table entry at offset {tables.EntryOffset(grain)}: grain {grain} at sector {sector} {problem}"));
            }
        }

        return findings;
    }

    /// <summary>What is wrong with the places of the tables: a writer writes them whole, whatever lies there.</summary>
    private static string? FindTableFault(IHostFile file, SparseHeader header, GrainTables tables, ArraySegment<uint> places)
    {
        var tableBytes = header.TableEntries * sizeof(uint);
        List<Extent> structures = [new(0, VmdkLayout.SectorBytes), .. tables.Directories()];
        if (header.DescriptorSector > 0 && header.DescriptorSectors > 0) structures.Add(new Extent(header.DescriptorSector * VmdkLayout.SectorBytes, header.DescriptorSectors * VmdkLayout.SectorBytes));
        for (var i = 0; i < structures.Count; i++)
        {
            for (var j = 0; j < i; j++)
            {
                if (structures[i].Overlaps(structures[j])) return $"header, descriptor and grain directories overlap at {structures[i].Intersect(structures[j])}";
            }
        }

        for (var i = 0; i < places.Count; i++)
        {
            var place = new Extent((long)places[i] * VmdkLayout.SectorBytes, tableBytes);
            if (place.Offset > file.Length || tableBytes > file.Length - place.Offset) return $"a grain table at sector {places[i]} passes the file's end at {file.Length}";
            if (i > 0 && ((long)places[i - 1] * VmdkLayout.SectorBytes) + tableBytes > place.Offset) return $"two grain tables overlap at sector {places[i]}";
            if (structures.Exists(s => s.Overlaps(place))) return $"a grain table at sector {places[i]} lies over the file's own structures";
        }

        return null;
    }

    private static string? FindFault(IHostFile file, SparseHeader header, long grain, uint sector, ArraySegment<uint> places)
    {
        var place = (long)sector * VmdkLayout.SectorBytes;
        var length = (int)Math.Min(header.GrainBytes, (header.CapacitySectors * VmdkLayout.SectorBytes) - (grain * header.GrainBytes));
        if (sector < header.OverheadSectors) return $"lies in the overhead of {header.OverheadSectors} sectors";
        if (length > file.Length - place) return $"passes the file's end at {file.Length}";
        return IsOverTable(header, new Extent(place, length), places) ? "lies over a grain table" : null;
    }

    private static bool IsOverTable(SparseHeader header, Extent grain, ArraySegment<uint> places)
    {
        // The last table that begins before the grain's end.
        var at = places.AsSpan().BinarySearch((uint)Math.Min(uint.MaxValue, (grain.End - 1) / VmdkLayout.SectorBytes));
        if (at < 0) at = ~at - 1;
        return at >= 0 && new Extent((long)places[at] * VmdkLayout.SectorBytes, header.TableEntries * sizeof(uint)).Overlaps(grain);
    }
}
