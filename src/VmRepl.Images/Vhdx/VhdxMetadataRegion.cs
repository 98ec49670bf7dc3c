using System.Buffers.Binary;
using VmRepl.Blocks;

namespace VmRepl.Images.Vhdx;

/// <summary>
/// The metadata region ([MS-VHDX] 2.6): a table of 64 KiB and the items that it names.
/// <code>
/// Offset Size Field
/// 0      8    "metadata"
/// 8      2    reserved
/// 10     2    entries, at most 2047
/// 12     20   reserved
/// 32     32   each entry: item GUID 16, offset in the region 4, length 4, flags 4 (1 user, 2 virtual disk, 4 required), reserved 4
/// 65536       total; items follow
/// </code>
/// </summary>
internal static class VhdxMetadataRegion
{
    private const int EntriesOffset = 32;
    private const int EntryBytes = 32;
    private const uint User = 1, VirtualDisk = 2, Required = 4;

    /// <exception cref="ImageFormatException">An item is missing, doubled, misplaced, of the wrong size or value, or required and unknown.</exception>
    public static VhdxMetadata Read(VhdxFile file, Extent region)
    {
        var items = ReadTable(file, region);
        var parameters = Item(VhdxLayout.FileParameters, "file parameters", 8);
        var blockSize = BinaryPrimitives.ReadUInt32LittleEndian(parameters);
        var flags = BinaryPrimitives.ReadUInt32LittleEndian(parameters.AsSpan(4));
        if (blockSize is < VhdxLayout.BlockSizeMin or > VhdxLayout.BlockSizeMax || !uint.IsPow2(blockSize))
            throw file.Mismatch(Offset(VhdxLayout.FileParameters), "BlockSize", "a power of two from 1 MiB to 256 MiB", $"{blockSize}");
        var logical = SectorSize(VhdxLayout.LogicalSectorSize, "logical sector size");
        var physical = SectorSize(VhdxLayout.PhysicalSectorSize, "physical sector size");
        var length = BinaryPrimitives.ReadUInt64LittleEndian(Item(VhdxLayout.VirtualDiskSize, "virtual disk size", 8));
        if (length is 0 or > (ulong)VhdxLayout.LengthMax || length % (uint)logical != 0)
            throw file.Mismatch(Offset(VhdxLayout.VirtualDiskSize), "VirtualDiskSize", $"a multiple of {logical} up to 64 TiB", $"{length}");
        var hasParent = (flags & 2) != 0;
        if (hasParent != items.ContainsKey(VhdxLayout.ParentLocator))
            throw file.Mismatch(Offset(VhdxLayout.FileParameters) + 4, "HasParent", hasParent ? "clear where there is no parent locator" : "set where there is a parent locator", hasParent ? "set" : "clear");
        return new VhdxMetadata
        {
            BlockSize = (int)blockSize,
            LeaveAllocated = (flags & 1) != 0,
            HasParent = hasParent,
            Length = (long)length,
            DiskId = new Guid(Item(VhdxLayout.Page83, "page 83", 16)),
            LogicalSectorSize = logical,
            PhysicalSectorSize = physical,
            Parent = hasParent ? VhdxParentLocator.Parse(file, Offset(VhdxLayout.ParentLocator), Load(VhdxLayout.ParentLocator, "parent locator")) : null,
        };

        int SectorSize(Guid id, string name)
        {
            var value = BinaryPrimitives.ReadUInt32LittleEndian(Item(id, name, 4));
            return value is 512 or 4096 ? (int)value : throw file.Mismatch(Offset(id), name, "512 or 4096", $"{value}");
        }

        byte[] Item(Guid id, string name, int size)
        {
            var bytes = Load(id, name);
            return bytes.Length == size ? bytes : throw file.Mismatch(Offset(id), name, $"of {size} bytes", $"of {bytes.Length}");
        }

        long Offset(Guid id) => region.Offset + items[id].Offset;

        byte[] Load(Guid id, string name)
        {
            if (!items.TryGetValue(id, out var place)) throw file.Mismatch(region.Offset, "metadata table", $"one with a {name} item", "one without");
            var bytes = new byte[(int)place.Length];
            file.Read(region.Offset + place.Offset, bytes, name);
            return bytes;
        }
    }

    /// <summary>The table and the items, as the first 128 KiB of the region; the rest is zero.</summary>
    public static byte[] ToBytes(VhdxMetadata metadata)
    {
        var bytes = new byte[2 * VhdxLayout.TableBytes];
        VhdxLayout.MetadataSignature.CopyTo(bytes);
        var at = VhdxLayout.TableBytes;
        var count = 0;
        Span<byte> value = stackalloc byte[16];
        BinaryPrimitives.WriteInt32LittleEndian(value, metadata.BlockSize);
        BinaryPrimitives.WriteUInt32LittleEndian(value[4..], (metadata.LeaveAllocated ? 1u : 0) | (metadata.HasParent ? 2u : 0));
        Add(VhdxLayout.FileParameters, value[..8], Required);
        BinaryPrimitives.WriteInt64LittleEndian(value, metadata.Length);
        Add(VhdxLayout.VirtualDiskSize, value[..8], Required | VirtualDisk);
        metadata.DiskId.TryWriteBytes(value);
        Add(VhdxLayout.Page83, value, Required | VirtualDisk);
        BinaryPrimitives.WriteInt32LittleEndian(value, metadata.LogicalSectorSize);
        Add(VhdxLayout.LogicalSectorSize, value[..4], Required | VirtualDisk);
        BinaryPrimitives.WriteInt32LittleEndian(value, metadata.PhysicalSectorSize);
        Add(VhdxLayout.PhysicalSectorSize, value[..4], Required | VirtualDisk);
        if (metadata.Parent is { } parent) Add(VhdxLayout.ParentLocator, parent.ToBytes(), Required);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(10), (ushort)count);
        return bytes;

        void Add(Guid id, ReadOnlySpan<byte> item, uint flags)
        {
            var entry = bytes.AsSpan(EntriesOffset + (count++ * EntryBytes), EntryBytes);
            id.TryWriteBytes(entry);
            BinaryPrimitives.WriteInt32LittleEndian(entry[16..], at);
            BinaryPrimitives.WriteInt32LittleEndian(entry[20..], item.Length);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[24..], flags);
            item.CopyTo(bytes.AsSpan(at));
            at += item.Length;
        }
    }

    /// <summary>Where in the file a system item's contents stand.</summary>
    /// <exception cref="ImageFormatException">The table is damaged, or names no such item.</exception>
    public static Extent Place(VhdxFile file, Extent region, Guid id)
    {
        if (!ReadTable(file, region).TryGetValue(id, out var place)) throw file.Mismatch(region.Offset, "metadata table", $"one with an item {id}", "one without");
        return new Extent(region.Offset + place.Offset, place.Length);
    }

    private static Dictionary<Guid, Extent> ReadTable(VhdxFile file, Extent region)
    {
        var table = new byte[VhdxLayout.TableBytes];
        file.Read(region.Offset, table, "metadata table");
        if (!table.AsSpan().StartsWith(VhdxLayout.MetadataSignature)) throw file.Mismatch(region.Offset, "metadata table Signature", "\"metadata\"", Convert.ToHexStringLower(table.AsSpan(0, VhdxLayout.MetadataSignature.Length)));
        var count = BinaryPrimitives.ReadUInt16LittleEndian(table.AsSpan(10));
        if (count > VhdxLayout.TableEntriesMax) throw file.Mismatch(region.Offset + 10, "metadata EntryCount", $"at most {VhdxLayout.TableEntriesMax}", $"{count}");
        var system = new Dictionary<Guid, Extent>();
        var seen = new HashSet<(Guid, bool)>();
        var used = new ExtentSet();
        for (var i = 0; i < count; i++)
        {
            var at = EntriesOffset + (i * EntryBytes);
            var entry = table.AsSpan(at, EntryBytes);
            var id = new Guid(entry[..16]);
            var flags = BinaryPrimitives.ReadUInt32LittleEndian(entry[24..]);
            if (!seen.Add((id, (flags & User) != 0))) throw file.Mismatch(region.Offset + at, "metadata item", "one that is not there yet", $"{id} again");
            if ((flags & (User | Required)) == Required && !IsKnown(id)) throw file.Mismatch(region.Offset + at, "metadata item", "one that is known, or is not required", $"{id}");
            var offset = BinaryPrimitives.ReadUInt32LittleEndian(entry[16..]);
            var length = BinaryPrimitives.ReadUInt32LittleEndian(entry[20..]);
            var isEmpty = offset == 0 && length == 0;
            if (!isEmpty)
            {
                if (length is 0 or > VhdxLayout.MetadataItemBytesMax) throw file.Mismatch(region.Offset + at + 20, "metadata item Length", $"1 to {VhdxLayout.MetadataItemBytesMax}", $"{length} for {id}");
                if (offset < VhdxLayout.TableBytes || offset > region.Length || length > region.Length - offset)
                    throw file.Mismatch(region.Offset + at + 16, "metadata item Offset", $"behind the table and inside the region of {region.Length}", $"{offset} for {length} bytes of {id}");
                var place = new Extent(offset, length);
                if (used.Overlaps(place)) throw file.Mismatch(region.Offset + at + 16, "metadata item Offset", "where no other item lies", $"{place} for {id}");
                used.Add(place);
            }

            if ((flags & User) == 0) system[id] = new Extent(offset, length);
        }

        return system;
    }

    private static bool IsKnown(Guid id) =>
        id == VhdxLayout.FileParameters || id == VhdxLayout.VirtualDiskSize || id == VhdxLayout.Page83
        || id == VhdxLayout.LogicalSectorSize || id == VhdxLayout.PhysicalSectorSize || id == VhdxLayout.ParentLocator;
}
