using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vhdx;

/// <summary>
/// Gives a fixed or dynamic VHDX another size. The log is empty when it begins. In this order, each step durable before the next: new file-write and data-write GUIDs; where the block
/// allocation table outgrows its region, a copy of it at the end of the file, which the first and then the second region table names ([MS-VHDX] 2.2.3: a copy that is torn is passed over for
/// the other); zeros behind the old end and in the table's new entries, which nobody reads yet (a fixed disk's get blocks); and, through the log, the size ([MS-VHDX] 2.6.2.2).
/// A crash leaves the old size, and perhaps space lost, or the new one.
/// </summary>
internal sealed class VhdxResize(VhdxFile file, VhdxStructure structure, Func<Guid> newGuid)
{
    private const int PieceBytes = 1 << 20;

    private VhdxRegions regions = structure.Regions;

    /// <exception cref="ArgumentOutOfRangeException">The length is none that a VHDX can say.</exception>
    /// <exception cref="NotSupportedException">It is a differencing disk, whose size is its parent's.</exception>
    public void Run(long length)
    {
        var metadata = structure.Metadata;
        if (metadata.HasParent) throw new NotSupportedException($"{file.Path}: a differencing VHDX is as long as its parent");
        VhdxWriter.RequireSize(length, metadata.LogicalSectorSize);
        var geometry = new BatGeometry(length, metadata.BlockSize, metadata.LogicalSectorSize, hasParent: false);
        if (geometry.Bytes > uint.MaxValue - VhdxLayout.MiB) throw new NotSupportedException($"{file.Path}: blocks of {metadata.BlockSize} bytes are too small for a disk of {length}");
        var headers = structure.Headers;
        headers.Update(headers.Current with { FileWriteGuid = newGuid(), DataWriteGuid = newGuid() });
        if (length > metadata.Length)
        {
            if (geometry.Bytes > regions.Bat.Length) MoveTable(Sectors.AlignUp(geometry.Bytes, VhdxLayout.MiB));
            ClearTail(length);
            FillEntries(geometry);
        }

        file.File.Flush();
        PutSize(length);
    }

    private void MoveTable(long length)
    {
        var place = new Extent(Sectors.AlignUp(file.Length, VhdxLayout.MiB), length);
        file.File.SetLength(place.End);
        var piece = new byte[PieceBytes];
        for (long done = 0; done < regions.Bat.Length; done += piece.Length)
        {
            file.Read(regions.Bat.Offset + done, piece, "block allocation table");
            if (!Sectors.IsZero(piece)) file.File.Write(place.Offset + done, piece);
        }

        file.File.Flush();
        var table = VhdxRegions.Moved(file, structure.Headers.Current, place);
        foreach (var offset in VhdxLayout.RegionTableOffsets)
        {
            file.File.Write(offset, table);
            file.File.Flush();
        }

        regions = regions with { Bat = place };
    }

    /// <summary>The rest of the last block was nobody's until now, and can hold anything.</summary>
    private void ClearTail(long length)
    {
        var old = structure.Geometry;
        var inBlock = old.DiskLength % old.BlockSize;
        if (inBlock == 0) return;
        var block = old.DiskLength / old.BlockSize;
        var entry = Entry(old.PayloadIndex(block));
        if (entry.State != PayloadState.FullyPresent) return;
        var place = structure.LocatePayload(file, entry, block);
        if (file.Length < place + old.BlockSize) file.File.SetLength(place + old.BlockSize);
        file.File.Clear(place + inBlock, Math.Min(old.BlockSize - inBlock, length - old.DiskLength));
    }

    private void FillEntries(BatGeometry geometry)
    {
        file.File.Clear(regions.Bat.Offset + structure.Geometry.Bytes, geometry.Bytes - structure.Geometry.Bytes);
        if (!structure.Metadata.LeaveAllocated) return;
        var place = Sectors.AlignUp(file.Length, VhdxLayout.MiB);
        var bytes = new byte[VhdxLayout.BatEntryBytes];
        for (var block = structure.Geometry.Blocks; block < geometry.Blocks; block++, place += geometry.BlockSize)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, new BatEntry(PayloadState.FullyPresent, place).Bits);
            file.File.Write(regions.Bat.Offset + (geometry.PayloadIndex(block) * VhdxLayout.BatEntryBytes), bytes);
        }

        file.File.SetLength(place);
    }

    /// <summary>The item is eight bytes, in one sector of the log or across two; an entry changes both or neither.</summary>
    private void PutSize(long length)
    {
        const int size = VhdxLayout.LogSectorBytes;
        var item = VhdxMetadataRegion.Place(file, regions.Metadata, VhdxLayout.VirtualDiskSize);
        var first = Sectors.AlignDown(item.Offset, size);
        var bytes = new byte[Sectors.AlignUp(item.End, size) - first];
        file.Read(first, bytes, "metadata");
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan((int)(item.Offset - first)), length);
        var sectors = new List<(long, byte[])>();
        for (var at = 0; at < bytes.Length; at += size) sectors.Add((first + at, bytes[at..(at + size)]));
        var log = new VhdxLogWriter(file, structure.Headers, newGuid);
        log.Commit(sectors);
        log.Close();
    }

    private BatEntry Entry(long index)
    {
        var bytes = new byte[VhdxLayout.BatEntryBytes];
        file.Read(regions.Bat.Offset + (index * VhdxLayout.BatEntryBytes), bytes, "block allocation table");
        return new BatEntry(BinaryPrimitives.ReadUInt64LittleEndian(bytes));
    }
}
