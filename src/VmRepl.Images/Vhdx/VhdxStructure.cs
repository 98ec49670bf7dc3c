using VmRepl.Blocks;

namespace VmRepl.Images.Vhdx;

/// <summary>The parts of a VHDX that say where everything is ([MS-VHDX] 2.2 to 2.6), read and checked; the log must have been replayed (or laid over) before.</summary>
internal sealed record VhdxStructure(VhdxHeaderPair Headers, VhdxRegions Regions, VhdxMetadata Metadata, BatGeometry Geometry)
{
    /// <exception cref="ImageFormatException">Any of them is corrupt, or the table of blocks is too short for the disk.</exception>
    public static VhdxStructure Read(VhdxFile file, VhdxHeaderPair headers)
    {
        var regions = VhdxRegions.Read(file, headers.Current);
        var metadata = VhdxMetadataRegion.Read(file, regions.Metadata);
        var geometry = new BatGeometry(metadata.Length, metadata.BlockSize, metadata.LogicalSectorSize, metadata.HasParent);
        if (geometry.Bytes > regions.Bat.Length)
            throw file.Mismatch(regions.Bat.Offset, "block allocation table", $"of at least {geometry.Bytes} bytes for a disk of {metadata.Length}", $"a region of {regions.Bat.Length}");
        return new VhdxStructure(headers, regions, metadata, geometry);
    }

    /// <summary>
    /// The place in the file of a block of <paramref name="length"/> bytes, checked: from 1 MiB on, inside the file, outside log and regions.
    /// </summary>
    /// <exception cref="ImageFormatException">It is none of these.</exception>
    public long Locate(VhdxFile file, BatEntry entry, long index, long length)
    {
        var at = Regions.Bat.Offset + (index * VhdxLayout.BatEntryBytes);
        if (entry.FileOffset < VhdxLayout.MiB || entry.FileOffset > (ulong)file.Length || (ulong)length > (ulong)file.Length - entry.FileOffset)
            throw file.Mismatch(at, "BAT entry", $"a place from 1 MiB on for {length} bytes of the file of {file.Length}", $"{entry.FileOffset} in entry {index}");
        var place = new Extent((long)entry.FileOffset, length);
        var log = new Extent((long)Headers.Current.LogOffset, Headers.Current.LogLength);
        if (place.Overlaps(Regions.Bat) || place.Overlaps(Regions.Metadata) || place.Overlaps(log))
            throw file.Mismatch(at, "BAT entry", "a place outside log and regions", $"{place} in entry {index}");
        return place.Offset;
    }

    /// <summary>The place of payload block <paramref name="block"/>, of which the part that the disk has must be there.</summary>
    public long LocatePayload(VhdxFile file, BatEntry entry, long block) =>
        Locate(file, entry, Geometry.PayloadIndex(block), Math.Min(Geometry.BlockSize, Geometry.DiskLength - (block * Geometry.BlockSize)));

    /// <exception cref="ImageFormatException">Entry <paramref name="index"/>, partially present, stands in a disk without parent.</exception>
    public void RequireParent(VhdxFile file, long index)
    {
        if (!Metadata.HasParent)
            throw file.Mismatch(Regions.Bat.Offset + (index * VhdxLayout.BatEntryBytes), "BAT entry", "of another state in a disk that has no parent", $"partially present in entry {index}");
    }

    public ImageFormatException BadState(VhdxFile file, BatEntry entry, long index) =>
        file.Mismatch(Regions.Bat.Offset + (index * VhdxLayout.BatEntryBytes), "BAT entry", "of a state that is not reserved", $"of state {(int)entry.State} in entry {index}");
}
