using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>
/// Lays an empty monolithicSparse disk into an empty file: header, descriptor, redundant directory with its tables, directory with its tables.
/// All tables are there from the start, as VMware and QEMU have it: empty ones are holes, and no table is ever added under way.
/// </summary>
internal static class VmdkWriter
{
    /// <summary>64 KiB, what every writer of the format uses.</summary>
    public const int GrainSectors = 128;

    /// <summary>Largest disk that is made: 62 TiB, VMware's own limit.</summary>
    public const long LengthMax = 62L << 40;

    internal const int DescriptorSectors = 20;
    private const int TableSectors = VmdkLayout.TableEntriesMax * sizeof(uint) / VmdkLayout.SectorBytes;
    private const int DirectoryPiece = 1 << 16;

    /// <summary>Refuses sizes that the format cannot say.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The length is no multiple of 512 from 512 to 62 TiB, or the sector is not 512.</exception>
    public static void RequireSize(long length, int sectorSize)
    {
        if (sectorSize != VmdkLayout.SectorBytes) throw new ArgumentOutOfRangeException(nameof(sectorSize), sectorSize, "a VMDK has sectors of 512 bytes");
        if (length <= 0 || length > LengthMax || length % sectorSize != 0)
            throw new ArgumentOutOfRangeException(nameof(length), length, "a VMDK has a multiple of 512 bytes, up to 62 TiB");
    }

    /// <summary>Writes everything and flushes. Returns the header and the descriptor's text.</summary>
    /// <param name="parent">The parent's name and CID, for a delta.</param>
    /// <exception cref="NotSupportedException">The parent's name cannot stand in a descriptor.</exception>
    public static (SparseHeader Header, byte[] Descriptor) Write(IHostFile file, long length, Func<Guid> newGuid, (string Name, uint Cid)? parent = null)
    {
        var sectors = length / VmdkLayout.SectorBytes;
        var header = new SparseHeader
        {
            // A delta has to say "zeros here, whatever the parent holds"; that is what version 2 is for.
            Version = parent is null ? 1u : 2u,
            Flags = SparseFlags.NewlineTest | SparseFlags.Redundant | (parent is null ? SparseFlags.None : SparseFlags.ZeroedGrains),
            CapacitySectors = sectors,
            GrainSectors = GrainSectors,
            DescriptorSector = 1,
            DescriptorSectors = DescriptorSectors,
        };
        var directorySectors = Sectors.AlignUp(header.Tables * sizeof(uint), VmdkLayout.SectorBytes) / VmdkLayout.SectorBytes;
        var redundant = 1L + DescriptorSectors;
        var primary = redundant + directorySectors + (header.Tables * TableSectors);
        var end = primary + directorySectors + (header.Tables * TableSectors);
        header = header with { RedundantDirectorySector = redundant, DirectorySector = primary, OverheadSectors = Sectors.AlignUp(end, GrainSectors) };
        file.SetLength(header.OverheadSectors * VmdkLayout.SectorBytes);
        file.Write(0, header.ToBytes());
        var descriptor = Describe(file.Path, sectors, VmdkContentId.Next(newGuid), "monolithicSparse", parent);
        file.Write(VmdkLayout.SectorBytes, descriptor);
        WriteDirectory(file, redundant, redundant + directorySectors, header.Tables);
        WriteDirectory(file, primary, primary + directorySectors, header.Tables);
        file.Flush();
        return (header, descriptor);
    }

    private static void WriteDirectory(IHostFile file, long sector, long firstTable, long tables)
    {
        var bytes = new byte[(int)Math.Min(tables, DirectoryPiece) * sizeof(uint)];
        for (long done = 0; done < tables; done += DirectoryPiece)
        {
            var count = (int)Math.Min(DirectoryPiece, tables - done);
            for (var i = 0; i < count; i++) BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(i * sizeof(uint)), checked((uint)(firstTable + ((done + i) * TableSectors))));
            file.Write((sector * VmdkLayout.SectorBytes) + (done * sizeof(uint)), bytes.AsSpan(0, count * sizeof(uint)));
        }
    }

    /// <summary>The descriptor's text of a disk of one SPARSE extent.</summary>
    /// <exception cref="NotSupportedException">The parent's name cannot stand in it.</exception>
    internal static byte[] Describe(string path, long sectors, uint cid, string createType, (string Name, uint Cid)? parent)
    {
        if (parent is { } above && above.Name.Any(c => c is '"' or < ' ')) throw new NotSupportedException("a parent's name with quotation marks or line ends cannot stand in a VMDK descriptor");
        // The name is for people: a monolithic disk is its own extent. One that cannot be quoted is left out.
        var name = Path.GetFileName(path);
        if (name.Length > 1000 || name.Any(c => c is '"' or < ' ')) name = "disk.vmdk";
        var text = string.Create(CultureInfo.InvariantCulture, $"""
            # Disk DescriptorFile
            version=1
            CID={cid:x8}
            parentCID={parent?.Cid ?? VmdkLayout.NoParent:x8}
            createType="{createType}"{(parent is { } p ? $"\nparentFileNameHint=\"{p.Name}\"" : "")}

            # Extent description
            RW {sectors} SPARSE "{name}"

            # The Disk Data Base
            #DDB

            ddb.virtualHWVersion = "4"
            ddb.geometry.cylinders = "{Math.Min(sectors / (255 * 63), 65535)}"
            ddb.geometry.heads = "255"
            ddb.geometry.sectors = "63"
            ddb.adapterType = "lsilogic"

            """).ReplaceLineEndings("\n");
        var bytes = Encoding.UTF8.GetBytes(text);
        return bytes.Length <= DescriptorSectors * VmdkLayout.SectorBytes ? bytes
            : throw new NotSupportedException($"the parent's name does not fit into a descriptor of {DescriptorSectors * VmdkLayout.SectorBytes} bytes");
    }
}
