using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Images.Vhdx;

namespace VmRepl.Images.LiveContainer;

/// <summary>
/// The container of a live image: a fixed VHDX in a sparse file, whose blocks are all present and lie one behind the other, so that its payload is one contiguous range.
/// The same bytes are a VHDX, a raw disk at an offset, and through a descriptor beside it a VMDK of createType monolithicFlat.
/// After <see cref="Create"/> nothing but the payload is ever written: no log, no table of blocks, and so no crash case of the container's own.
/// </summary>
public static class LiveContainer
{
    /// <summary>
    /// Largest block. Big blocks keep the table short, and it is read whole at every opening: 64 TiB in blocks of 32 MiB (Hyper-V's own size) have a table of 16 MiB.
    /// They cost nothing, since what is never written is a hole.
    /// </summary>
    private const int BlockSizeMax = 32 << 20;

    private const int EntriesPerRead = 8192;

    /// <summary>Makes the container <paramref name="name"/> for a disk of zeros, and beside it, for sectors of 512 bytes, the VMDK descriptor. Both are durable when this returns.</summary>
    /// <param name="directory">Where; it exists.</param>
    /// <param name="name">File name, ending in ".vhdx" by habit; it does not exist.</param>
    /// <param name="length">Bytes of the disk: a multiple of the sector, from one sector to 64 TiB.</param>
    /// <param name="sectorSize">512 or 4096.</param>
    /// <param name="newGuid">Randomness for the file's identifiers.</param>
    /// <exception cref="ArgumentOutOfRangeException">A VHDX cannot have this size.</exception>
    /// <exception cref="IOException">The name exists, or the environment failed; what was made is left.</exception>
    public static LiveImageFile Create(IHostDirectory directory, string name, long length, int sectorSize, Func<Guid> newGuid)
    {
        VhdxWriter.RequireSize(length, sectorSize);
        var metadata = new VhdxMetadata
        {
            BlockSize = (int)Math.Clamp((long)System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)length), VhdxLayout.BlockSizeMin, BlockSizeMax),
            LeaveAllocated = true,
            Length = length,
            DiskId = newGuid(),
            LogicalSectorSize = sectorSize,
            PhysicalSectorSize = 4096,
        };
        var geometry = new BatGeometry(length, metadata.BlockSize, sectorSize, hasParent: false);
        var regions = VhdxWriter.Place(geometry);
        var payloadOffset = regions.Bat.End;
        var file = directory.Open(name, HostFileAccess.CreateNew);
        try
        {
            VhdxWriter.Write(file, metadata, regions, checked(payloadOffset + (geometry.Blocks * geometry.BlockSize)), newGuid);
            WriteTable(file, geometry, regions.Bat.Offset, payloadOffset);
            file.Flush();
            var image = Open(file);
            if (sectorSize == Sectors.Size) WriteDescriptor(directory, name, image);
            directory.Flush();
            return image;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Opens the container <paramref name="name"/>; <see cref="HostFileAccess.Read"/> is enough for a restore.</summary>
    /// <exception cref="ImageFormatException">It is corrupt, or a VHDX whose payload is not one range.</exception>
    /// <exception cref="IOException">The environment failed.</exception>
    public static LiveImageFile Open(IHostDirectory directory, string name, HostFileAccess access)
    {
        var file = directory.Open(name, access);
        try
        {
            return Open(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The text of a VMDK descriptor through which <paramref name="fileName"/>, found beside it, is a monolithicFlat disk.</summary>
    /// <exception cref="NotSupportedException">The disk has sectors of 4096 bytes, which a VMDK cannot say.</exception>
    public static string VmdkDescriptor(string fileName, LiveImageFile image)
    {
        if (image.SectorSize != Sectors.Size) throw new NotSupportedException($"{fileName}: a VMDK has sectors of {Sectors.Size} bytes, this disk has {image.SectorSize}");
        if (fileName.AsSpan().IndexOfAny('"', '\r', '\n') >= 0) throw new ArgumentException($"\"{fileName}\" cannot stand in a descriptor", nameof(fileName));
        var sectors = image.Length / Sectors.Size;
        return string.Create(CultureInfo.InvariantCulture, $"""
            # Disk DescriptorFile
            version=1
            CID={image.ContentId:x8}
            parentCID=ffffffff
            createType="monolithicFlat"

            # Extent description
            RW {sectors} FLAT "{fileName}" {image.PayloadOffset / Sectors.Size}

            # The Disk Data Base
            #DDB

            ddb.virtualHWVersion = "4"
            ddb.geometry.cylinders = "{Math.Min(sectors / (255 * 63), 65535)}"
            ddb.geometry.heads = "255"
            ddb.geometry.sectors = "63"
            ddb.adapterType = "lsilogic"

            """).ReplaceLineEndings("\n");
    }

    /// <summary>The name of the descriptor beside the container <paramref name="name"/>: "sda.vhdx" has "sda.vmdk".</summary>
    public static string DescriptorName(string name) => Path.ChangeExtension(name, ".vmdk");

    private static LiveImageFile Open(IHostFile hostFile)
    {
        var file = new VhdxFile(hostFile);
        var headers = VhdxHeaderPair.Read(file);
        if (headers.Current.LogGuid != Guid.Empty)
            throw file.Mismatch(VhdxLayout.HeaderOffsets[0] + 48, "LogGuid", "zeros in a live image", $"{headers.Current.LogGuid}: something other than the replica has written it; replay its log first (qemu-img check -r all)");
        var structure = VhdxStructure.Read(file, headers);
        var metadata = structure.Metadata;
        if (metadata.HasParent) throw file.Mismatch(structure.Regions.Metadata.Offset, "HasParent", "0 in a live image", "1");
        var payloadOffset = ReadTable(file, structure);
        var dataWrite = headers.Current.DataWriteGuid.ToByteArray();
        return new LiveImageFile(hostFile, payloadOffset, metadata.Length, metadata.LogicalSectorSize, ContentId(BinaryPrimitives.ReadUInt32LittleEndian(dataWrite)));
    }

    private static void WriteTable(IHostFile file, BatGeometry geometry, long at, long payloadOffset)
    {
        var bytes = new byte[EntriesPerRead * VhdxLayout.BatEntryBytes];
        for (long first = 0; first < geometry.Entries; first += EntriesPerRead)
        {
            var count = (int)Math.Min(EntriesPerRead, geometry.Entries - first);
            for (var i = 0; i < count; i++)
            {
                var index = first + i;
                var bits = geometry.IsBitmap(index) ? 0 : new BatEntry(PayloadState.FullyPresent, payloadOffset + (geometry.Block(index) * geometry.BlockSize)).Bits;
                BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(i * VhdxLayout.BatEntryBytes), bits);
            }

            file.Write(at + (first * VhdxLayout.BatEntryBytes), bytes.AsSpan(0, count * VhdxLayout.BatEntryBytes));
        }
    }

    /// <summary>Reads the whole table and returns where the payload begins, or throws where it is not one range.</summary>
    private static long ReadTable(VhdxFile file, VhdxStructure structure)
    {
        var geometry = structure.Geometry;
        var bytes = new byte[EntriesPerRead * VhdxLayout.BatEntryBytes];
        ulong payloadOffset = 0;
        for (long first = 0; first < geometry.Entries; first += EntriesPerRead)
        {
            var count = (int)Math.Min(EntriesPerRead, geometry.Entries - first);
            var at = structure.Regions.Bat.Offset + (first * VhdxLayout.BatEntryBytes);
            file.Read(at, bytes.AsSpan(0, count * VhdxLayout.BatEntryBytes), "block allocation table");
            for (var i = 0; i < count; i++)
            {
                var index = first + i;
                if (geometry.IsBitmap(index)) continue;
                var entry = new BatEntry(BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(i * VhdxLayout.BatEntryBytes)));
                var expected = payloadOffset + ((ulong)geometry.Block(index) * (ulong)geometry.BlockSize);
                if (index == 0) expected = payloadOffset = entry.FileOffset;
                if (entry.State != PayloadState.FullyPresent || entry.FileOffset != expected)
                {
                    throw file.Mismatch(
                        at + (i * VhdxLayout.BatEntryBytes),
                        "BAT entry",
                        $"fully present at {expected}, since a live image has all blocks in one piece", $"{entry.State} at {entry.FileOffset} in entry {index}");
                }
            }
        }

        // One range: to check it whole checks every block. The padding of the last block may be missing in a copy.
        return structure.Locate(file, new BatEntry(payloadOffset), 0, structure.Metadata.Length);
    }

    private static void WriteDescriptor(IHostDirectory directory, string name, LiveImageFile image)
    {
        using var descriptor = directory.Open(DescriptorName(name), HostFileAccess.CreateNew);
        descriptor.Write(0, Encoding.ASCII.GetBytes(VmdkDescriptor(name, image)));
        descriptor.Flush();
    }

    /// <summary>A VMDK content identifier that means neither "no parent" (ffffffff) nor "none yet" (0, fffffffe).</summary>
    private static uint ContentId(uint random) => random is 0 or >= 0xFFFFFFFE ? 0x766D7265 : random;
}
