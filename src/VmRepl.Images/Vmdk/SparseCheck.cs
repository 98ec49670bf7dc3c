using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>Looks at every grain table entry of an extent: places outside the file, over tables, over each other; and at the unclean flag.</summary>
internal static class SparseCheck
{
    private const int FindingsMax = 100;

    /// <summary>Most grains' worth of file that are looked at: 4 bytes of memory each. With grains of 64 KiB, a file of 4 TiB.</summary>
    private const long UnitsMax = 64 << 20;

    /// <summary>Most tables behind the overhead that grains are compared with; writers put all of theirs before it.</summary>
    private const int TablesOutsideMax = 1 << 16;

    public static IReadOnlyList<ImageFinding> Run(IHostFile file, SparseHeader header, GrainTables tables)
    {
        var findings = new List<ImageFinding>();
        if (header.IsUnclean) findings.Add(new ImageFinding(false, $"{file.Path}: was not closed cleanly; grains may be lost space"));
        if (!tables.AreWhole) findings.Add(new ImageFinding(true, $"{file.Path}: one of the two grain directories is outside the file"));
        if (header.IsCompressed) return findings;
        var units = (file.Length / header.GrainBytes) + 2;
        if (units > UnitsMax)
        {
            findings.Add(new ImageFinding(true, $"{file.Path}: has {file.Length} bytes, too many to look for overlaps in grains of {header.GrainBytes}"));
            return findings;
        }

        // For each grain-sized unit of the file the sector at which a grain begins in it: two in one unit overlap, and so may two in neighbouring ones.
        var starts = new uint[units];
        var grainTables = new ExtentSet(tables.Places().Where(p => p.End > header.OverheadSectors * VmdkLayout.SectorBytes).Take(TablesOutsideMax));
        for (long grain = 0; grain < header.Grains && findings.Count < FindingsMax; grain++)
        {
            try
            {
                if (!tables.HasTable(grain))
                {
                    grain += header.TableEntries - 1 - (grain % header.TableEntries);
                    continue;
                }

                var sector = tables[grain];
                if (sector == 0 || (sector == 1 && header.Flags.HasFlag(SparseFlags.ZeroedGrains))) continue;
                if (Problem(file, header, grain, sector, starts, grainTables) is { } problem)
                    findings.Add(new ImageFinding(true, $"{file.Path}: grain table entry at offset {tables.EntryOffset(grain)}: grain {grain} at sector {sector} {problem}"));
                else starts[(long)sector / header.GrainSectors] = sector;
            }
            catch (ImageFormatException e)
            {
                findings.Add(new ImageFinding(true, e.Message));
                grain += header.TableEntries - 1 - (grain % header.TableEntries);
            }
        }

        return findings;
    }

    private static string? Problem(IHostFile file, SparseHeader header, long grain, uint sector, uint[] starts, ExtentSet grainTables)
    {
        var place = (long)sector * VmdkLayout.SectorBytes;
        var length = (int)Math.Min(header.GrainBytes, (header.CapacitySectors * VmdkLayout.SectorBytes) - (grain * header.GrainBytes));
        if (sector < header.OverheadSectors) return $"lies in the overhead of {header.OverheadSectors} sectors";
        if (length > file.Length - place) return $"passes the file's end at {file.Length}";
        if (grainTables.Overlaps(new Extent(place, length))) return "lies over a grain table";
        var unit = (long)sector / header.GrainSectors;
        if (starts[unit] != 0
            || (unit > 0 && starts[unit - 1] != 0 && (long)starts[unit - 1] + header.GrainSectors > sector)
            || (starts[unit + 1] != 0 && starts[unit + 1] < (long)sector + header.GrainSectors))
        {
            return "overlaps another grain";
        }

        return null;
    }
}
