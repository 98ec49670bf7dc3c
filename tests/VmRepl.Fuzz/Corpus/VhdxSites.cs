using System.Text;

namespace VmRepl.Fuzz.Corpus;

/// <summary>Finds the structures of a sound VHDX file, by [MS-VHDX].</summary>
internal sealed class VhdxSites
{
    private const int LogSector = 4096, EntriesMax = 64;
    private const int Header1 = 0x10000, Header2 = 0x20000, Regions1 = 0x30000, Regions2 = 0x40000;

    private static readonly byte[] BatId = new Guid("2dc27766-f623-4200-9d64-115e9bfd4a08").ToByteArray();
    private static readonly byte[] LocatorId = new Guid("a8d35f2d-b30b-454d-abf7-d3d84834ab0c").ToByteArray();

    private readonly CorpusFile file;

    private VhdxSites(CorpusFile file) => this.file = file;

    public static void Find(CorpusFile file)
    {
        var sites = new VhdxSites(file);
        sites.Headers();
        sites.Regions();
        sites.Log();
    }

    private void Headers()
    {
        file.Areas.Add(("file identifier", 0, 32));
        foreach (var (at, twin) in new[] { (Header1, Header2), (Header2, Header1) })
        {
            foreach (var (name, offset, size) in new[] { ("Checksum", 4, 4), ("SequenceNumber", 8, 8), ("LogGuid", 48, 8), ("LogVersion", 64, 2), ("Version", 66, 2), ("LogLength", 68, 4), ("LogOffset", 72, 8) })
                file.Add("header", name, at + offset, size, false, twin + offset);
            file.Areas.Add(("header", at, 80));
            file.Seals.Add(new Seal(SealKind.Crc, at, 4096, 4));
        }
    }

    private void Regions()
    {
        foreach (var (at, twin) in new[] { (Regions1, Regions2), (Regions2, Regions1) })
        {
            file.Add("region table", "EntryCount", at + 8, 4, false, twin + 8);
            file.Seals.Add(new Seal(SealKind.Crc, at, 65536, 4));
            for (var i = 0; i < (int)At(at + 8, 4); i++)
            {
                var entry = 16 + (i * 32);
                foreach (var (name, offset, size) in new[] { ("Guid", 0, 8), ("FileOffset", 16, 8), ("Length", 24, 4), ("Required", 28, 4) })
                    file.Add("region table", name, at + entry + offset, size, false, twin + entry + offset);
                if (at != Regions1) continue;
                var (place, length) = ((long)At(at + entry + 16, 8), (long)At(at + entry + 24, 4));
                if (file.Bytes.AsSpan(at + entry, 16).SequenceEqual(BatId)) Bat(place, length);
                else Metadata(place);
            }
        }
    }

    private void Metadata(long region)
    {
        file.Add("metadata table", "EntryCount", region + 10, 2, false);
        for (var i = 0; i < (int)At(region + 10, 2); i++)
        {
            var entry = region + 32 + (i * 32);
            foreach (var (name, offset, size) in new[] { ("ItemId", 0, 8), ("Offset", 16, 4), ("Length", 20, 4), ("Flags", 24, 4) }) file.Add("metadata table", name, entry + offset, size, false);
            var (item, length) = (region + (long)At(entry + 16, 4), (int)At(entry + 20, 4));
            if (file.Bytes.AsSpan((int)entry, 16).SequenceEqual(LocatorId))
            {
                Locator(item);
                continue;
            }

            for (var at = 0; at + 4 <= length; at += length % 8 == 0 && length > 8 ? 8 : 4) file.Add("metadata item", "", item + at, 4, false);
            if (length == 8) file.Add("metadata item", "", item, 8, false);
        }
    }

    private void Locator(long item)
    {
        file.Add("parent locator", "KeyValueCount", item + 18, 2, false);
        for (var i = 0; i < (int)At(item + 18, 2); i++)
        {
            var entry = item + 20 + (i * 12);
            foreach (var (name, offset, size) in new[] { ("KeyOffset", 0, 4), ("ValueOffset", 4, 4), ("KeyLength", 8, 2), ("ValueLength", 10, 2) }) file.Add("parent locator", name, entry + offset, size, false);
            var value = new Site("ValueLength", entry + 10, 2, false);
            file.Texts.Add(new TextSite("parent locator value", item + (long)At(entry + 4, 4), (int)At(entry + 10, 2), Encoding.Unicode, value));
            file.Texts.Add(new TextSite("parent locator key", item + (long)At(entry, 4), (int)At(entry + 8, 2), Encoding.Unicode, new Site("KeyLength", entry + 8, 2, false)));
        }
    }

    private void Bat(long region, long length)
    {
        for (int i = 0, found = 0; i < length / 8 && found < EntriesMax; i++)
        {
            var entry = At(region + (i * 8L), 8);
            if (entry == 0 && i > 8) continue;
            found++;
            file.Add("BAT", "entry", region + (i * 8L), 8, false);
            var place = (long)(entry >> 20 << 20);
            if ((entry & 7) == 6 && place < file.Bytes.Length) file.Areas.Add(("block or sector bitmap", place, (int)Math.Min(512, file.Bytes.Length - place)));
        }
    }

    private void Log()
    {
        var (log, length) = ((long)At(Header1 + 72, 8), (long)At(Header1 + 68, 4));
        for (var at = log; at < Math.Min(log + length, file.Bytes.Length); at += LogSector)
        {
            var sector = file.Bytes.AsSpan((int)at, LogSector);
            if (sector.StartsWith("data"u8))
            {
                file.Add("log data sector", "SequenceHigh", at + 4, 4, false);
                file.Add("log data sector", "SequenceLow", at + 4092, 4, false);
            }

            if (!sector.StartsWith("loge"u8)) continue;
            foreach (var (name, offset, size) in new[] { ("EntryLength", 8, 4), ("Tail", 12, 4), ("SequenceNumber", 16, 8), ("DescriptorCount", 24, 4), ("LogGuid", 32, 8), ("FlushedFileOffset", 48, 8), ("LastFileOffset", 56, 8) })
                file.Add("log entry", name, at + offset, size, false);
            for (var i = 0; i < Math.Min((int)At(at + 24, 4), 126); i++)
            {
                foreach (var (name, offset, size) in new[] { ("signature", 0, 4), ("ZeroLength", 8, 8), ("FileOffset", 16, 8), ("SequenceNumber", 24, 8) }) file.Add("log descriptor", name, at + 64 + (i * 32) + offset, size, false);
            }

            file.Seals.Add(new Seal(SealKind.LogEntry, at, (int)At(at + 8, 4), 4));
        }
    }

    private ulong At(long offset, int size) => file.Number(offset, size, false);
}
