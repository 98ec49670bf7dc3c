using System.Buffers.Binary;
using System.Text;
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
///     16    4 seconds since 1970 at which it was taken
///     20    4 nanoseconds of them
///     24    8 time that the guest ran, in nanoseconds
///     32    4 VM state size, where extra data does not have it
///     36    4 extra_data_size
///     40      extra data: VM state size 8, virtual disk size 8, …; id; name; padding
/// </code>
/// </summary>
internal static class Qcow2SnapshotTable
{
    private const int FixedBytes = 40, ExtraMax = 1024, DiskSizeEnd = 16;

    /// <summary>Bytes of names that are kept at most; QEMU's own bound on the table is 64 MiB.</summary>
    private const int NameBytesMax = 4 << 20;

    /// <summary>The entries; one that cannot be read ends the table and is reported to <paramref name="damage"/>.</summary>
    public static List<Qcow2Snapshot> Read(IHostFile file, Qcow2Header header, Action<ImageFormatException> damage)
    {
        List<Qcow2Snapshot> snapshots = [];
        var names = 0;
        Walk(file, header, (entry, rest, at, number) =>
        {
            var offset = BinaryPrimitives.ReadInt64BigEndian(entry);
            var entries = BinaryPrimitives.ReadUInt32BigEndian(entry[8..]);
            if (entries > Qcow2Layout.L1BytesMax / sizeof(ulong) || offset < 0)
            {
                damage(ImageFormatException.Mismatch(file.Path, at, "snapshot l1_table_offset", $"of at most {Qcow2Layout.L1BytesMax / sizeof(ulong)} entries below 2^63", $"of {entries} at {(ulong)offset} in snapshot {number}"));
                return;
            }

            names += rest.Length;
            snapshots.Add(new Qcow2Snapshot(number, offset, (int)entries, Facts(header, entry, names > NameBytesMax ? [] : rest)));
        }, damage);
        return snapshots;
    }

    /// <summary>Bytes of the whole table, as far as it can be read.</summary>
    public static long Bytes(IHostFile file, Qcow2Header header) => Walk(file, header, (_, _, _, _) => { }, _ => { });

    /// <summary>The header by which the disk is read as it was at the snapshot called <paramref name="name"/>, or else of that id.</summary>
    /// <exception cref="ImageFormatException">There is none, or its table is out of place.</exception>
    public static Qcow2Header Select(IHostFile file, Qcow2Header header, string name)
    {
        var snapshots = Read(file, header, damage => throw damage);
        var chosen = snapshots.FirstOrDefault(s => s.Facts.Name == name) ?? snapshots.FirstOrDefault(s => s.Facts.Id == name)
            ?? throw ImageFormatException.Mismatch(file.Path, header.SnapshotsOffset, "snapshot table", $"one with a snapshot \"{name}\"", "one without");
        if (chosen.Facts.Length < 0 || chosen.Facts.Length > DiskImages.LengthMax)
            throw ImageFormatException.Mismatch(file.Path, header.SnapshotsOffset, "snapshot disk size", $"at most {DiskImages.LengthMax} bytes", $"{(ulong)chosen.Facts.Length} in \"{name}\"");
        var then = header with { L1Offset = chosen.L1Offset, L1Entries = chosen.L1Entries, Size = chosen.Facts.Length };
        var needed = (then.Size + then.BytesPerL2 - 1) / then.BytesPerL2;
        if (needed > then.L1Entries) throw ImageFormatException.Mismatch(file.Path, header.SnapshotsOffset, "snapshot l1_size", $"at least {needed} entries for {then.Size} bytes", $"{then.L1Entries}");
        if (needed > 0 && (then.L1Offset == 0 || !Sectors.IsAligned(then.L1Offset, header.ClusterSize)))
            throw ImageFormatException.Mismatch(file.Path, header.SnapshotsOffset, "snapshot l1_table_offset", "the place of a table", $"{then.L1Offset}");
        return then;
    }

    private static ImageSnapshot Facts(Qcow2Header header, ReadOnlySpan<byte> entry, ReadOnlySpan<byte> rest)
    {
        var (id, name) = (BinaryPrimitives.ReadUInt16BigEndian(entry[12..]), BinaryPrimitives.ReadUInt16BigEndian(entry[14..]));
        var extra = (int)BinaryPrimitives.ReadUInt32BigEndian(entry[36..]);
        if (rest.Length < extra + id + name)
        {
            rest = [];
            (extra, id, name) = (0, 0, 0);
        }

        var taken = DateTimeOffset.FromUnixTimeSeconds(BinaryPrimitives.ReadUInt32BigEndian(entry[16..])).AddTicks(BinaryPrimitives.ReadUInt32BigEndian(entry[20..]) / 100);
        return new ImageSnapshot(
            Encoding.UTF8.GetString(rest.Slice(extra, id)),
            Encoding.UTF8.GetString(rest.Slice(extra + id, name)),
            extra >= DiskSizeEnd ? BinaryPrimitives.ReadInt64BigEndian(rest[8..]) : header.Size,
            taken,
            extra >= sizeof(ulong) ? BinaryPrimitives.ReadInt64BigEndian(rest) : BinaryPrimitives.ReadUInt32BigEndian(entry[32..]));
    }

    private delegate void EntryVisitor(ReadOnlySpan<byte> entry, ReadOnlySpan<byte> rest, long at, int number);

    private static long Walk(IHostFile file, Qcow2Header header, EntryVisitor visit, Action<ImageFormatException> damage)
    {
        Span<byte> entry = stackalloc byte[FixedBytes];
        var rest = new byte[ExtraMax + (2 * ushort.MaxValue)];
        var at = header.SnapshotsOffset;
        for (var number = 0; number < header.SnapshotCount; number++)
        {
            if (file.Read(at, entry) < FixedBytes)
            {
                damage(Cut(at, number));
                break;
            }

            var extra = BinaryPrimitives.ReadUInt32BigEndian(entry[36..]);
            if (extra > ExtraMax)
            {
                damage(ImageFormatException.Mismatch(file.Path, at, "snapshot extra_data_size", $"at most {ExtraMax}", $"{extra} in snapshot {number}"));
                break;
            }

            var length = (int)extra + BinaryPrimitives.ReadUInt16BigEndian(entry[12..]) + BinaryPrimitives.ReadUInt16BigEndian(entry[14..]);
            if (file.Read(at + FixedBytes, rest.AsSpan(0, length)) < length)
            {
                damage(Cut(at, number));
                break;
            }

            visit(entry, rest.AsSpan(0, length), at, number);
            at = Sectors.AlignUp(at + FixedBytes + length, 8);
        }

        return at - header.SnapshotsOffset;

        ImageFormatException Cut(long at, int number) => ImageFormatException.Mismatch(file.Path, at, "snapshot table entry", $"inside the file of {file.Length} bytes", $"cut by its end in snapshot {number}");
    }
}
