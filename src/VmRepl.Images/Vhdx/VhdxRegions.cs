using System.Buffers.Binary;
using VmRepl.Blocks;

namespace VmRepl.Images.Vhdx;

/// <summary>
/// The region table ([MS-VHDX] 2.2.3): where the block allocation table and the metadata lie.
/// <code>
/// Offset Size Field
/// 0      4    "regi"
/// 4      4    CRC-32C of the 64 KiB
/// 8      4    entries, at most 2047
/// 12     4    reserved
/// 16     32   each entry: GUID 16, offset 8, length 4, flags 4 (bit 0: required)
/// 65536       total
/// </code>
/// </summary>
internal sealed record VhdxRegions(Extent Bat, Extent Metadata)
{
    private const int EntriesOffset = 16;
    private const int EntryBytes = 32;

    /// <summary>Regions that are not known and not required (2.2.3.2): what is in them is somebody's, and is left as it is.</summary>
    public IReadOnlyList<Extent> Others { get; init; } = [];

    /// <summary>Reads the first valid copy.</summary>
    /// <exception cref="ImageFormatException">Both copies are bad, or what they say is.</exception>
    public static VhdxRegions Read(VhdxFile file, VhdxHeader header)
    {
        var bytes = new byte[VhdxLayout.TableBytes];
        foreach (var offset in VhdxLayout.RegionTableOffsets)
        {
            file.Read(offset, bytes, "region table");
            if (bytes.AsSpan().StartsWith(VhdxLayout.RegionSignature) && VhdxChecksum.IsValid(bytes)) return Parse(file, header, bytes, offset);
        }

        throw file.Mismatch(VhdxLayout.RegionTableOffsets[0], "region table", "one of two with signature and checksum", "none");
    }

    /// <summary>The 64 KiB table that names these two regions.</summary>
    public byte[] ToBytes()
    {
        var bytes = new byte[VhdxLayout.TableBytes];
        VhdxLayout.RegionSignature.CopyTo(bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), 2);
        Put(bytes.AsSpan(EntriesOffset), VhdxLayout.BatRegion, Bat);
        Put(bytes.AsSpan(EntriesOffset + EntryBytes), VhdxLayout.MetadataRegion, Metadata);
        VhdxChecksum.Put(bytes);
        return bytes;

        static void Put(Span<byte> entry, Guid kind, Extent place)
        {
            kind.TryWriteBytes(entry);
            BinaryPrimitives.WriteInt64LittleEndian(entry[16..], place.Offset);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[24..], checked((uint)place.Length));
            BinaryPrimitives.WriteUInt32LittleEndian(entry[28..], 1);
        }
    }

    /// <summary>Makes the copy that is not read like the one that is, durably: a crash while the table was moved leaves them different, and the old one must not come back later.</summary>
    public static void AlignCopies(VhdxFile file)
    {
        var copies = VhdxLayout.RegionTableOffsets.Select(offset =>
        {
            var bytes = new byte[VhdxLayout.TableBytes];
            file.Read(offset, bytes, "region table");
            return bytes;
        }).ToArray();
        var read = Array.FindIndex(copies, c => c.AsSpan().StartsWith(VhdxLayout.RegionSignature) && VhdxChecksum.IsValid(c));
        if (read < 0 || copies[0].AsSpan().SequenceEqual(copies[1])) return;
        file.File.Write(VhdxLayout.RegionTableOffsets[1 - read], copies[read]);
        file.File.Flush();
    }

    /// <summary>The table as it stands in the file, whatever else it names, with the block allocation table at <paramref name="place"/>.</summary>
    public static byte[] Moved(VhdxFile file, VhdxHeader header, Extent place)
    {
        var bytes = new byte[VhdxLayout.TableBytes];
        foreach (var offset in VhdxLayout.RegionTableOffsets)
        {
            file.Read(offset, bytes, "region table");
            if (!bytes.AsSpan().StartsWith(VhdxLayout.RegionSignature) || !VhdxChecksum.IsValid(bytes)) continue;
            _ = Parse(file, header, bytes, offset);
            for (var at = EntriesOffset; ; at += EntryBytes)
            {
                var entry = bytes.AsSpan(at, EntryBytes);
                if (new Guid(entry[..16]) != VhdxLayout.BatRegion) continue;
                BinaryPrimitives.WriteInt64LittleEndian(entry[16..], place.Offset);
                BinaryPrimitives.WriteUInt32LittleEndian(entry[24..], checked((uint)place.Length));
                VhdxChecksum.Put(bytes);
                return bytes;
            }
        }

        throw file.Mismatch(VhdxLayout.RegionTableOffsets[0], "region table", "one of two with signature and checksum", "none");
    }

    private static VhdxRegions Parse(VhdxFile file, VhdxHeader header, ReadOnlySpan<byte> bytes, long tableOffset)
    {
        var count = BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]);
        if (count > VhdxLayout.TableEntriesMax) throw file.Mismatch(tableOffset + 8, "region table EntryCount", $"at most {VhdxLayout.TableEntriesMax}", $"{count}");
        // The log is compared like a region: none may lie in another.
        var used = new List<(Extent Place, string Name)>();
        if (header.LogLength > 0) used.Add((new Extent((long)header.LogOffset, header.LogLength), "the log"));
        Extent? bat = null, metadata = null;
        List<Extent> others = [];
        for (var i = 0; i < (int)count; i++)
        {
            var at = EntriesOffset + (i * EntryBytes);
            var entry = bytes.Slice(at, EntryBytes);
            var kind = new Guid(entry[..16]);
            var place = Place(file, entry, tableOffset + at + 16);
            foreach (var (other, name) in used)
            {
                if (other.Overlaps(place)) throw file.Mismatch(tableOffset + at + 16, "region", $"outside {name} at {other}", $"{kind} at {place}");
            }

            used.Add((place, $"region {kind}"));
            if (kind == VhdxLayout.BatRegion) bat = bat is null ? place : throw Twice(kind);
            else if (kind == VhdxLayout.MetadataRegion) metadata = metadata is null ? place : throw Twice(kind);
            else if ((BinaryPrimitives.ReadUInt32LittleEndian(entry[28..]) & 1) != 0)
                throw file.Mismatch(tableOffset + at, "region", "one that is known, or is not required", $"{kind}");
            else others.Add(place);
        }

        return new VhdxRegions(
            bat ?? throw file.Mismatch(tableOffset, "region table", "one with a block allocation table", "one without"),
            metadata ?? throw file.Mismatch(tableOffset, "region table", "one with a metadata region", "one without"))
        {
            Others = others,
        };

        ImageFormatException Twice(Guid kind) => file.Mismatch(tableOffset, "region table", "one that names each region once", $"one with {kind} twice");
    }

    private static Extent Place(VhdxFile file, ReadOnlySpan<byte> entry, long at)
    {
        var offset = BinaryPrimitives.ReadUInt64LittleEndian(entry[16..]);
        var length = BinaryPrimitives.ReadUInt32LittleEndian(entry[24..]);
        if (offset < VhdxLayout.MiB || offset % VhdxLayout.MiB != 0) throw file.Mismatch(at, "region FileOffset", "a multiple of 1 MiB from 1 MiB on", $"{offset}");
        if (length == 0 || length % VhdxLayout.MiB != 0) throw file.Mismatch(at + 8, "region Length", "a multiple of 1 MiB above 0", $"{length}");
        if (offset > (ulong)file.Length || length > (ulong)file.Length - offset) throw file.Mismatch(at, "region FileOffset", $"for {length} bytes before the file's end at {file.Length}", $"{offset}");
        return new Extent((long)offset, length);
    }
}
