using System.Buffers.Binary;
using System.Text;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Images.Changes;

namespace VmRepl.Images.Qcow2;

/// <summary>
/// The bitmap directory (specification, "Bitmap directory") as records of changes, each with a verdict. Nothing in it stops the disk from being read: whatever is wrong
/// makes the bitmap inconsistent, and the reason is told.
/// <code>
/// Offset Size Field of an entry
///      0    8 bitmap_table_offset
///      8    4 bitmap_table_size, entries
///     12    4 flags: 0 in_use, 1 auto, 2 extra_data_compatible
///     16    1 type: 1, dirty tracking
///     17    1 granularity_bits
///     18    2 name_size
///     20    4 extra_data_size
///     24      extra data, name, padding to a multiple of 8
/// </code>
/// </summary>
internal static class Qcow2BitmapDirectory
{
    private const int EntryBytes = 24, NameBytesMax = 1023, GranularityBitsMin = 9, GranularityBitsMax = 31;

    /// <summary>Longest directory that is walked; QEMU's own bound is 64 MiB, for 65535 names of 1023 bytes.</summary>
    private const long DirectoryBytesMax = 4 << 20;

    private const uint InUse = 1, Auto = 2, ExtraDataCompatible = 4, KnownFlags = 7;

    private const byte DirtyTracking = 1;

    /// <summary>Every bitmap of the image. Where the directory is damaged the last one, without a name, says so.</summary>
    public static IReadOnlyList<IChangeTrack> Read(IHostFile file, Qcow2Header header)
    {
        var (count, bytes, offset) = header.Extensions.Bitmaps;
        List<IChangeTrack> found = [];
        if (count == 0) return found;
        if (bytes is < 0 or > DirectoryBytesMax || offset <= 0 || offset > file.Length || bytes > file.Length - offset)
        {
            found.Add(Damaged(file, header, offset, $"the directory of {bytes} bytes at {offset} is not in the file, or above {DirectoryBytesMax} bytes"));
            return found;
        }

        Span<byte> entry = stackalloc byte[EntryBytes];
        var names = new HashSet<string>(StringComparer.Ordinal);
        var end = offset + bytes;
        for (var i = 0; i < count; i++)
        {
            if (end - offset < EntryBytes || file.Read(offset, entry) < EntryBytes)
            {
                found.Add(Damaged(file, header, offset, $"the directory ends before bitmap {i}"));
                break;
            }

            var extra = BinaryPrimitives.ReadUInt32BigEndian(entry[20..]);
            var next = Sectors.AlignUp(offset + EntryBytes + extra + BinaryPrimitives.ReadUInt16BigEndian(entry[18..]), 8);
            if (next > end)
            {
                found.Add(Damaged(file, header, offset, $"bitmap {i} passes the end of the directory"));
                break;
            }

            found.Add(Judge(file, header, offset, entry, names));
            offset = next;
        }

        return found;
    }

    private static Qcow2Bitmap Judge(IHostFile file, Qcow2Header header, long offset, ReadOnlySpan<byte> entry, HashSet<string> names)
    {
        var extra = BinaryPrimitives.ReadUInt32BigEndian(entry[20..]);
        var nameBytes = new byte[BinaryPrimitives.ReadUInt16BigEndian(entry[18..])];
        file.ReadField(offset + EntryBytes + extra, nameBytes, "bitmap name");
        var name = nameBytes.Length is 0 or > NameBytesMax ? "" : Encoding.UTF8.GetString(nameBytes);
        var place = new Qcow2BitmapPlace(name, offset, BinaryPrimitives.ReadInt64BigEndian(entry), BinaryPrimitives.ReadUInt32BigEndian(entry[8..]), entry[17]);
        var flags = BinaryPrimitives.ReadUInt32BigEndian(entry[12..]);
        var isNew = names.Add(name);
        if (Problem(file, header, place, flags, entry[16], extra) is { } problem) return Untrusted(ChangeTrackState.Inconsistent, problem);
        if (!isNew) return Untrusted(ChangeTrackState.Inconsistent, "another bitmap has its name");
        if ((flags & InUse) != 0) return Untrusted(ChangeTrackState.InUse, "it is in use: the program that records it has the image open, or ended without writing it down");
        return new Qcow2Bitmap(file, header, place) { State = (flags & Auto) != 0 ? ChangeTrackState.Recording : ChangeTrackState.Disabled, Problem = null };

        Qcow2Bitmap Untrusted(ChangeTrackState state, string why) => new(file, header, place) { State = state, Problem = why };
    }

    /// <summary>What makes the bitmap unusable whoever has it open.</summary>
    private static string? Problem(IHostFile file, Qcow2Header header, Qcow2BitmapPlace place, uint flags, byte type, uint extra)
    {
        if ((header.Autoclear & Qcow2Layout.BitmapsConsistent) == 0) return "the image was written by a program that does not keep bitmaps (autoclear bit 0 is clear)";
        if (header.IsCorrupt) return "the image is marked as corrupt";
        if (place.Name.Length == 0) return $"its name is empty or above {NameBytesMax} bytes";
        if ((flags & ~KnownFlags) != 0) return $"it has flags that are not known (0x{flags:x})";
        if (type != DirtyTracking) return $"it is of type {type}, only {DirtyTracking}, dirty tracking, is known";
        if (extra > 0 && (flags & ExtraDataCompatible) == 0) return $"it has {extra} bytes of extra data that are not known and must be";
        if (place.GranularityBits is < GranularityBitsMin or > GranularityBitsMax) return $"its granularity_bits are {place.GranularityBits}, {GranularityBitsMin} to {GranularityBitsMax} are known";
        var bits = header.Size == 0 ? 0 : ((header.Size - 1) >> place.GranularityBits) + 1;
        var entries = (((bits + 7) / 8) + header.ClusterSize - 1) >> header.ClusterBits;
        if (place.TableEntries != entries) return $"its table has {place.TableEntries} entries, a disk of {header.Size} bytes needs {entries}";
        var tableBytes = entries * sizeof(ulong);
        if (place.TableOffset < 0 || !Sectors.IsAligned(place.TableOffset, header.ClusterSize) || (entries > 0 && place.TableOffset == 0)
            || place.TableOffset > file.Length || tableBytes > file.Length - place.TableOffset)
        {
            return $"its table at {place.TableOffset} is not in the file";
        }

        return null;
    }

    private static Qcow2Bitmap Damaged(IHostFile file, Qcow2Header header, long offset, string problem) =>
        new(file, header, new Qcow2BitmapPlace("", offset, 0, 0, GranularityBitsMin)) { State = ChangeTrackState.Inconsistent, Problem = problem };
}
