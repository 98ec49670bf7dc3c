using System.Text;

namespace VmRepl.Fuzz.Corpus;

/// <summary>Finds the structures of a sound VHD file, by Microsoft's Virtual Hard Disk Image Format Specification.</summary>
internal sealed class VhdSites
{
    private const int Sector = 512, EntriesMax = 64;

    private readonly CorpusFile file;

    private VhdSites(CorpusFile file) => this.file = file;

    public static void Find(CorpusFile file)
    {
        var sites = new VhdSites(file);
        var end = file.Bytes.Length - Sector;
        var isFixed = sites.At(end + 60, 4) == 2;
        sites.Footer("footer", end, isFixed ? -1 : 0);
        if (isFixed) return;
        sites.Footer("footer copy", 0, end);
        sites.Header((long)sites.At(16, 8));
    }

    private void Footer(string name, long at, long twin)
    {
        foreach (var (field, offset, size) in new[]
        {
            ("Features", 8, 4), ("Version", 12, 4), ("Data Offset", 16, 8), ("Time Stamp", 24, 4), ("Creator", 28, 4), ("Original Size", 40, 8), ("Current Size", 48, 8), ("Geometry", 56, 4), ("Disk Type", 60, 4),
            ("Checksum", 64, 4), ("Saved State", 84, 1),
        })
            file.Add(name, field, at + offset, size, true, twin < 0 ? -1 : twin + offset);
        file.Areas.Add((name, at, 85));
        file.Seals.Add(new Seal(SealKind.ByteSum, at, Sector, 64));
    }

    private void Header(long at)
    {
        foreach (var (field, offset, size) in new[] { ("Data Offset", 8, 8), ("Table Offset", 16, 8), ("Header Version", 24, 4), ("Max Table Entries", 28, 4), ("Block Size", 32, 4), ("Checksum", 36, 4), ("Parent Time Stamp", 56, 4) })
            file.Add("header", field, at + offset, size, true);
        file.Areas.Add(("header", at, 64));
        file.Seals.Add(new Seal(SealKind.ByteSum, at, 1024, 36));
        if (At(60, 4) == 4)
        {
            file.Texts.Add(new TextSite("Parent Unicode Name", at + 64, 512, Encoding.BigEndianUnicode, null));
            file.Areas.Add(("Parent Unique ID", at + 40, 16));
        }

        for (var i = 0; i < 8; i++)
        {
            var locator = at + 576 + (i * 24);
            foreach (var (field, offset, size) in new[] { ("Platform Code", 0, 4), ("Platform Data Space", 4, 4), ("Platform Data Length", 8, 4), ("Platform Data Offset", 16, 8) })
                file.Add("locator", field, locator + offset, size, true);
            if (At(locator, 4) == 0) continue;
            file.Texts.Add(new TextSite("locator", (long)At(locator + 16, 8), Sector, Encoding.Unicode, new Site("Platform Data Length", locator + 8, 4, true)));
        }

        var table = (long)At(at + 16, 8);
        for (int i = 0, found = 0; i < (int)At(at + 28, 4) && found < EntriesMax; i++)
        {
            var entry = At(table + (i * 4), 4);
            if (entry == uint.MaxValue && i > 8) continue;
            found++;
            file.Add("BAT", "entry", table + (i * 4), 4, true);
            if (entry != uint.MaxValue && (long)entry * Sector < file.Bytes.Length) file.Areas.Add(("sector bitmap", (long)entry * Sector, 64));
        }
    }

    private ulong At(long offset, int size) => file.Number(offset, size, true);
}
