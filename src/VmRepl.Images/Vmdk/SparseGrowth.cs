using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>
/// Makes a sparse extent longer. Where its directories have no entry left for what is added, longer copies of both, with empty tables for it, are put at the end of the file;
/// when all of that is durable the header is written, one sector that names capacity and directories (Virtual Disk Format 5.0, "SparseExtentHeader"): a crash leaves the old extent or the new.
/// </summary>
internal static class SparseGrowth
{
    private const int TableBytes = VmdkLayout.TableEntriesMax * sizeof(uint);

    /// <summary>Grows the extent, which is flushed and closed, to <paramref name="sectors"/>; returns its new header, durable.</summary>
    /// <exception cref="NotSupportedException">The extent is of a kind that cannot grow.</exception>
    public static SparseHeader Run(IHostFile file, SparseHeader header, GrainTables tables, long sectors)
    {
        if (header.IsCompressed) throw new NotSupportedException($"{file.Path}: a streamOptimized VMDK is written once and cannot be resized");
        if (!tables.AreWhole || header.TableEntries != VmdkLayout.TableEntriesMax) throw new NotSupportedException($"{file.Path}: grain tables of this kind cannot be made longer");
        var next = header with { CapacitySectors = sectors };
        if (next.Tables * sizeof(uint) > VmdkLayout.DirectoryBytesMax) throw new NotSupportedException($"{file.Path}: grains of {header.GrainBytes} bytes are too small for a disk of {sectors} sectors");
        RequireEmptyTail(file, header, tables);
        ClearLastGrain(file, header, tables);
        if (next.Tables > header.Tables) next = MoveDirectories(file, header, next);
        file.Flush();
        file.Write(0, next.ToBytes());
        file.Flush();
        return next;
    }

    /// <summary>Entries behind the old end become grains of the disk; all of them must be empty.</summary>
    private static void RequireEmptyTail(IHostFile file, SparseHeader header, GrainTables tables)
    {
        for (var grain = header.Grains; grain % header.TableEntries != 0; grain++)
        {
            if (tables[grain] != 0) throw new NotSupportedException($"{file.Path}: the last grain table has entries behind the disk's end, so the disk cannot grow");
        }
    }

    private static void ClearLastGrain(IHostFile file, SparseHeader header, GrainTables tables)
    {
        var inGrain = header.CapacitySectors * VmdkLayout.SectorBytes % header.GrainBytes;
        var entry = inGrain == 0 ? 0 : tables[header.Grains - 1];
        if (entry == 0 || (entry == 1 && header.Flags.HasFlag(SparseFlags.ZeroedGrains))) return;
        var place = (long)entry * VmdkLayout.SectorBytes;
        if (file.Length < place + header.GrainBytes) file.SetLength(place + header.GrainBytes);
        file.Clear(place + inGrain, header.GrainBytes - inGrain);
    }

    private static SparseHeader MoveDirectories(IHostFile file, SparseHeader header, SparseHeader next)
    {
        var at = Sectors.AlignUp(file.Length, header.GrainBytes);
        // The redundant one first, as in a new disk.
        var redundant = header.RedundantDirectorySector == 0 ? 0 : Copy(header.RedundantDirectorySector);
        var primary = Copy(header.DirectorySector);
        file.SetLength(Sectors.AlignUp(at, header.GrainBytes));
        return next with { RedundantDirectorySector = redundant, DirectorySector = primary };

        long Copy(long sector)
        {
            var place = at;
            var bytes = new byte[Sectors.AlignUp(next.Tables * sizeof(uint), VmdkLayout.SectorBytes)];
            file.ReadExactly(sector * VmdkLayout.SectorBytes, bytes.AsSpan(0, (int)header.Tables * sizeof(uint)));
            at += bytes.Length;
            for (var i = header.Tables; i < next.Tables; i++, at += TableBytes)
            {
                if ((at + TableBytes) / VmdkLayout.SectorBytes > uint.MaxValue) throw new NotSupportedException($"{file.Path}: a VMDK extent cannot grow past 2 TiB");
                BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan((int)i * sizeof(uint)), (uint)(at / VmdkLayout.SectorBytes));
            }

            // The empty tables are the hole behind the directory.
            file.SetLength(at);
            file.Write(place, bytes);
            return place / VmdkLayout.SectorBytes;
        }
    }
}
