using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Qcow2;

/// <summary>
/// Counts the clusters of persistent bitmaps (specification, "Bitmaps extension"): the directory, each bitmap's table, and the data clusters that the tables name.
/// Where autoclear bit 0 is clear nobody keeps the bitmaps up, and nothing they name counts.
/// <code>
/// Offset Size Field of a directory entry
///      0    8 bitmap_table_offset
///      8    4 bitmap_table_size, entries
///     12    6 flags, type, granularity_bits
///     18    2 name_size
///     20    4 extra_data_size
///     24      extra data, name, padding to a multiple of 8
/// </code>
/// </summary>
internal sealed class Qcow2BitmapCheck(IHostFile file, Qcow2Header header, Qcow2BitmapCheck.StructureCounter count, Action<string> damage)
{
    private const int EntryBytes = 24;

    /// <summary>QEMU's bounds on the directory and on one table.</summary>
    private const int DirectoryBytesMax = 64 << 20, TableEntriesMax = 32 << 20 >> 3;

    public delegate bool StructureCounter(long offset, long length, string what, uint weight = 1, bool mayBeShort = false);

    public void Run()
    {
        var (bitmaps, bytes, offset) = header.Extensions.Bitmaps;
        if (bitmaps == 0 || (header.Autoclear & Qcow2Layout.BitmapsConsistent) == 0) return;
        if (bytes is < 0 or > DirectoryBytesMax || !count(offset, bytes, "the bitmap directory", mayBeShort: true)) return;
        if (bytes > file.Length - offset)
        {
            damage("the bitmap directory passes the file's end");
            return;
        }

        Span<byte> entry = stackalloc byte[EntryBytes];
        long at = 0;
        for (var i = 0; i < bitmaps; i++)
        {
            if (bytes - at < EntryBytes)
            {
                damage($"the bitmap directory ends before bitmap {i}");
                return;
            }

            file.ReadField(offset + at, entry, "bitmap directory");
            CountTable(i, BinaryPrimitives.ReadInt64BigEndian(entry), BinaryPrimitives.ReadUInt32BigEndian(entry[8..]));
            at = Sectors.AlignUp(at + EntryBytes + BinaryPrimitives.ReadUInt16BigEndian(entry[18..]) + BinaryPrimitives.ReadUInt32BigEndian(entry[20..]), 8);
        }
    }

    private void CountTable(int bitmap, long offset, uint entries)
    {
        var what = $"the table of bitmap {bitmap}";
        if (entries > TableEntriesMax || !count(offset, entries * (long)sizeof(ulong), what)) return;
        foreach (var entry in file.ReadNonZero(offset, (int)entries, what))
        {
            if ((entry & Qcow2Layout.OffsetMask) != 0) count((long)(entry & Qcow2Layout.OffsetMask), header.ClusterSize, $"data of bitmap {bitmap}");
        }
    }
}
