using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vhd;

/// <summary>
/// Gives a disk another "Current Size". Each step is durable before the next and leaves a sound footer at the end of the file, with the old size until the last one.
/// What is cut off holds no data any more.
/// </summary>
internal static class VhdResize
{
    public static void Fixed(VhdFile file, VhdFooters footers, long length)
    {
        RequireSize(file, length);
        var (old, resized) = (footers.Current, footers.Current.Resized(length));
        var end = footers.End;
        if (length > (long)old.CurrentSize)
        {
            if (length > end)
            {
                // The footer first, still of the old size: what lies between disk and footer means nothing.
                end = Math.Max(length, Sectors.AlignUp(end, VhdLayout.SectorBytes) + VhdLayout.FooterBytes);
                Put(file, end, old.Bytes);
            }

            // The old footer and whatever was before it become the disk's.
            file.File.Clear((long)old.CurrentSize, end - (long)old.CurrentSize);
            file.File.Flush();
        }

        Put(file, end, resized.Bytes);
        if (length + VhdLayout.FooterBytes > end) return;
        Put(file, length, resized.Bytes);
        file.File.SetLength(length + VhdLayout.FooterBytes);
        file.File.Flush();
    }

    /// <exception cref="NotSupportedException">The format or the layout of this file does not allow it.</exception>
    public static void Blocks(VhdStructure structure, TableMemory memory, long length)
    {
        var file = structure.File;
        RequireSize(file, length);
        var blocks = (length + structure.BlockSize - 1) / structure.BlockSize;
        if (blocks > VhdLayout.BlocksMax) throw new NotSupportedException($"{file.File.Path}: {length} bytes would be {blocks} blocks of {structure.BlockSize}; at most {VhdLayout.BlocksMax} are supported");
        var table = new BlockTable(structure, memory, isWhole: true);
        var end = structure.Footers.End;
        if (length > structure.Length) ClearBehindEnd(structure, table);
        if (blocks > structure.Header.TableEntries) end = MoveTable(structure, blocks);
        else if (blocks > structure.Blocks) PutAbsent(structure, blocks);
        var resized = structure.Footers.Current.Resized(length);
        Put(file, 0, resized.Bytes);
        Put(file, end, resized.Bytes);
    }

    private static void RequireSize(VhdFile file, long length)
    {
        if (length > VhdLayout.LengthMax) throw new NotSupportedException($"{file.File.Path}: a VHD has at most {VhdLayout.LengthMax} bytes, not {length}");
    }

    /// <summary>The last block's part behind the disk's end becomes the disk's: zeros, and nothing else's.</summary>
    private static void ClearBehindEnd(VhdStructure structure, BlockTable table)
    {
        var last = structure.Blocks - 1;
        if (structure.DataBytes(last) == structure.BlockSize || table.Place(last) is not { } place) return;
        var rest = Extent.FromEnds(place + structure.StoredBytes(last), place + structure.BitmapBytes + structure.BlockSize);
        if (rest.End > structure.Footers.End || table.IsTaken(rest))
            throw new NotSupportedException($"{structure.File.File.Path}: its last block is stored only as far as the disk goes; convert the disk into a new file to make it longer");
        structure.File.File.Clear(rest.Offset, rest.Length);
        structure.File.File.Flush();
    }

    /// <summary>Entries that the disk had no blocks for may hold anything.</summary>
    private static void PutAbsent(VhdStructure structure, long blocks)
    {
        var absent = new byte[(int)(blocks - structure.Blocks) * VhdLayout.TableEntryBytes];
        absent.AsSpan().Fill(byte.MaxValue);
        Put(structure.File, structure.Table.Offset + (structure.Blocks * VhdLayout.TableEntryBytes), absent);
    }

    /// <summary>A longer table behind the blocks; then the header names it. Its old place stays unused. Returns where the footer is afterwards.</summary>
    private static long MoveTable(VhdStructure structure, long blocks)
    {
        var file = structure.File;
        var headerOffset = (long)structure.Footers.Current.DataOffset;
        if (headerOffset % VhdLayout.SectorBytes != 0) throw new NotSupportedException($"{file.File.Path}: its dynamic disk header does not lie on a sector, and could not be changed safely");
        var offset = Sectors.AlignUp(structure.Footers.End, VhdLayout.SectorBytes);
        var bytes = new byte[Sectors.AlignUp(blocks * VhdLayout.TableEntryBytes, VhdLayout.SectorBytes)];
        bytes.AsSpan().Fill(byte.MaxValue);
        file.Read(structure.Table.Offset, bytes.AsSpan(0, (int)structure.Blocks * VhdLayout.TableEntryBytes), "block allocation table");
        var end = offset + bytes.Length;
        Put(file, end, structure.Footers.Current.Bytes);
        Put(file, offset, bytes);
        var header = new byte[VhdLayout.HeaderBytes];
        file.Read(headerOffset, header, "dynamic disk header");
        VhdHeader.MoveTable(header, offset, (uint)blocks);
        Put(file, headerOffset, header.AsSpan(0, VhdLayout.SectorBytes));
        return end;
    }

    private static void Put(VhdFile file, long offset, ReadOnlySpan<byte> bytes)
    {
        file.File.Write(offset, bytes);
        file.File.Flush();
    }
}
