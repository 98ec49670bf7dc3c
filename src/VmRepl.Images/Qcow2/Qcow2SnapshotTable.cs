using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Qcow2;

/// <summary>
/// The table of internal snapshots (specification, "Snapshots"): entries of variable size, each a multiple of 8.
/// <code>
/// Offset Size Field
///      0    8 l1_table_offset
///      8    4 l1_size
///     12    2 id_str_size
///     14    2 name_size
///     16   20 times and VM state size
///     36    4 extra_data_size
///     40      extra data, id, name, padding
/// </code>
/// </summary>
internal static class Qcow2SnapshotTable
{
    private const int FixedBytes = 40, ExtraMax = 1024;

    /// <summary>The entries; one that cannot be read ends the table and is reported to <paramref name="damage"/>.</summary>
    public static List<Qcow2Snapshot> Read(IHostFile file, Qcow2Header header, Action<string> damage)
    {
        List<Qcow2Snapshot> snapshots = [];
        Walk(file, header, (entry, number) =>
        {
            var offset = BinaryPrimitives.ReadInt64BigEndian(entry);
            var entries = BinaryPrimitives.ReadUInt32BigEndian(entry[8..]);
            if (entries > Qcow2Layout.L1BytesMax / sizeof(ulong) || offset < 0) damage($"snapshot {number} has an L1 table of {entries} entries at {offset}");
            else snapshots.Add(new Qcow2Snapshot(number, offset, (int)entries));
        }, damage);
        return snapshots;
    }

    /// <summary>Bytes of the whole table, as far as it can be read.</summary>
    public static long Bytes(IHostFile file, Qcow2Header header) => Walk(file, header, (_, _) => { }, _ => { });

    private delegate void EntryVisitor(ReadOnlySpan<byte> entry, int number);

    private static long Walk(IHostFile file, Qcow2Header header, EntryVisitor visit, Action<string> damage)
    {
        Span<byte> entry = stackalloc byte[FixedBytes];
        var at = header.SnapshotsOffset;
        for (var number = 0; number < header.SnapshotCount; number++)
        {
            if (file.Read(at, entry) < FixedBytes)
            {
                damage($"snapshot {number} at {at} passes the file's end");
                break;
            }

            var extra = BinaryPrimitives.ReadUInt32BigEndian(entry[36..]);
            if (extra > ExtraMax)
            {
                damage($"snapshot {number} at {at} has {extra} bytes of extra data");
                break;
            }

            visit(entry, number);
            var names = BinaryPrimitives.ReadUInt16BigEndian(entry[12..]) + BinaryPrimitives.ReadUInt16BigEndian(entry[14..]);
            at = Sectors.AlignUp(at + FixedBytes + extra + names, 8);
        }

        return at - header.SnapshotsOffset;
    }
}
