using System.Text;

namespace VmRepl.Fuzz.Corpus;

/// <summary>Finds the structures of a sound QCOW2 file, by the specification (QEMU, docs/interop/qcow2.txt).</summary>
internal sealed class Qcow2Sites
{
    private const ulong OffsetMask = 0x00FF_FFFF_FFFF_FE00;
    private const int EntriesMax = 48;

    private static readonly (string Name, int Offset, int Size)[] HeaderFields =
    [
        ("version", 4, 4), ("backing_file_offset", 8, 8), ("backing_file_size", 16, 4), ("cluster_bits", 20, 4), ("size", 24, 8), ("crypt_method", 32, 4), ("l1_size", 36, 4),
        ("l1_table_offset", 40, 8), ("refcount_table_offset", 48, 8), ("refcount_table_clusters", 56, 4), ("nb_snapshots", 60, 4), ("snapshots_offset", 64, 8),
    ];

    private static readonly (string Name, int Offset, int Size)[] HeaderFieldsOf3 =
    [
        ("incompatible_features", 72, 8), ("compatible_features", 80, 8), ("autoclear_features", 88, 8), ("refcount_order", 96, 4), ("header_length", 100, 4), ("compression_type", 104, 1),
    ];

    private readonly CorpusFile file;
    private readonly int clusterBits;
    private readonly bool isExtended;

    private Qcow2Sites(CorpusFile file)
    {
        this.file = file;
        clusterBits = (int)At(20, 4);
        isExtended = At(4, 4) == 3 && (At(72, 8) & 16) != 0;
    }

    public static void Find(CorpusFile file)
    {
        var sites = new Qcow2Sites(file);
        sites.Header();
        sites.L1("L1", (long)sites.At(40, 8), (int)sites.At(36, 4));
        sites.Refcounts();
        sites.Snapshots();
    }

    private void Header()
    {
        foreach (var (name, offset, size) in HeaderFields) file.Add("header", name, offset, size, true);
        var isThird = At(4, 4) == 3;
        if (isThird)
            foreach (var (name, offset, size) in HeaderFieldsOf3) file.Add("header", name, offset, size, true);
        var backing = (long)At(8, 8);
        if (backing != 0) file.Texts.Add(new TextSite("backing file name", backing, 1023, Encoding.UTF8, new Site("backing_file_size", 16, 4, true)));
        var end = backing != 0 ? backing : 1L << clusterBits;
        for (var at = isThird ? (long)At(100, 4) : 72; at + 8 <= end;)
        {
            var (type, length) = ((uint)At(at, 4), (int)At(at + 4, 4));
            file.Add("extension", "type", at, 4, true);
            file.Add("extension", "length", at + 4, 4, true);
            if (type == 0) break;
            if (type is 0xE2792ACA or 0x44415441) file.Texts.Add(new TextSite("extension text", at + 8, length, Encoding.UTF8, null));
            else file.Areas.Add(("extension", at + 8, length));
            if (type == 0x23852875) Bitmaps(at + 8);
            at += 8 + ((length + 7) / 8 * 8);
        }
    }

    private void L1(string name, long offset, int entries)
    {
        for (var i = 0; i < Math.Min(entries, EntriesMax); i++)
        {
            file.Add(name, "entry", offset + (i * 8L), 8, true);
            var table = (long)(At(offset + (i * 8L), 8) & OffsetMask);
            if (table != 0) L2(table);
        }
    }

    private void L2(long table)
    {
        var words = (1 << clusterBits) / 8;
        for (int i = 0, found = 0; i < words && found < EntriesMax * 2; i++)
        {
            var entry = At(table + (i * 8L), 8);
            if (entry == 0 && i > 8) continue;
            found++;
            file.Add("L2", isExtended ? (i % 2 == 0 ? "entry" : "subcluster bitmap") : "entry", table + (i * 8L), 8, true);
            if ((entry & 1UL << 62) == 0 || (isExtended && i % 2 != 0)) continue;
            var host = (long)(entry & ((1UL << (62 - (clusterBits - 8))) - 1));
            if (host < file.Bytes.Length) file.Areas.Add(("compressed cluster", host, (int)Math.Min(256, file.Bytes.Length - host)));
        }
    }

    private void Refcounts()
    {
        var table = (long)At(48, 8);
        var order = At(4, 4) == 3 ? (int)At(96, 4) : 4;
        for (var i = 0; i < 4; i++)
        {
            file.Add("refcount table", "entry", table + (i * 8L), 8, true);
            var block = (long)At(table + (i * 8L), 8);
            if (block == 0) continue;
            var size = Math.Max(1, (1 << order) / 8);
            for (var entry = 0; entry < EntriesMax; entry++) file.Add("refcount block", "entry", block + (entry * size), size, true);
        }
    }

    private void Snapshots()
    {
        var at = (long)At(64, 8);
        for (var i = 0; i < (int)At(60, 4); i++)
        {
            foreach (var (name, offset, size) in new[] { ("l1_table_offset", 0, 8), ("l1_size", 8, 4), ("id_str_size", 12, 2), ("name_size", 14, 2), ("date_sec", 16, 4), ("date_nsec", 20, 4), ("vm_state_size", 32, 4), ("extra_data_size", 36, 4), ("disk size", 48, 8) })
                file.Add("snapshot", name, at + offset, size, true);
            L1("snapshot L1", (long)At(at, 8), (int)At(at + 8, 4));
            var names = (int)(At(at + 12, 2) + At(at + 14, 2));
            file.Areas.Add(("snapshot names", at + 40 + (long)At(at + 36, 4), names));
            at += (40 + (long)At(at + 36, 4) + names + 7) / 8 * 8;
        }
    }

    private void Bitmaps(long extension)
    {
        foreach (var (name, offset, size) in new[] { ("nb_bitmaps", 0, 4), ("reserved", 4, 4), ("bitmap_directory_size", 8, 8), ("bitmap_directory_offset", 16, 8) })
            file.Add("bitmaps", name, extension + offset, size, true);
        var at = (long)At(extension + 16, 8);
        for (var i = 0; i < (int)At(extension, 4); i++)
        {
            foreach (var (name, offset, size) in new[] { ("table_offset", 0, 8), ("table_size", 8, 4), ("flags", 12, 4), ("type", 16, 1), ("granularity_bits", 17, 1), ("name_size", 18, 2), ("extra_data_size", 20, 4) })
                file.Add("bitmap directory", name, at + offset, size, true);
            var table = (long)At(at, 8);
            for (var entry = 0; entry < Math.Min((int)At(at + 8, 4), EntriesMax); entry++)
            {
                file.Add("bitmap table", "entry", table + (entry * 8L), 8, true);
                var data = (long)(At(table + (entry * 8L), 8) & OffsetMask);
                if (data != 0 && data < file.Bytes.Length) file.Areas.Add(("bitmap", data, 64));
            }

            at += (24 + (long)At(at + 18, 2) + (long)At(at + 20, 4) + 7) / 8 * 8;
        }
    }

    private ulong At(long offset, int size) => file.Number(offset, size, true);
}
