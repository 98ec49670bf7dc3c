namespace VmRepl.Fuzz.Corpus;

/// <summary>Finds the structures of a sound VMDK file: a descriptor, or an extent of any of the sparse kinds.</summary>
internal sealed class VmdkSites
{
    private const int Sector = 512, EntriesMax = 64;

    private static readonly (string Name, int Offset, int Size)[] HostedFields =
    [
        ("version", 4, 4), ("flags", 8, 4), ("capacity", 12, 8), ("grainSize", 20, 8), ("descriptorOffset", 28, 8), ("descriptorSize", 36, 8), ("numGTEsPerGT", 44, 4), ("rgdOffset", 48, 8),
        ("gdOffset", 56, 8), ("overHead", 64, 8), ("uncleanShutdown", 72, 1), ("newline", 73, 4), ("compressAlgorithm", 77, 2),
    ];

    private static readonly (string Name, int Offset, int Size)[] CowFields =
        [("version", 4, 4), ("flags", 8, 4), ("capacity", 12, 4), ("grainSize", 16, 4), ("gdOffset", 20, 4), ("numGDEntries", 24, 4), ("freeSector", 28, 4)];

    private readonly CorpusFile file;

    private VmdkSites(CorpusFile file) => this.file = file;

    public static void Find(CorpusFile file)
    {
        var sites = new VmdkSites(file);
        if (file.Bytes.AsSpan().StartsWith("KDMV"u8)) sites.Hosted();
        else if (file.Bytes.AsSpan().StartsWith("COWD"u8)) sites.Cow();
        else if (file.Bytes.Length >= 8 && sites.At(0, 8) == 0xCAFEBABE) sites.SeSparse();
        else if (file.Bytes.AsSpan().StartsWith("# Disk"u8)) file.Descriptor = (0, file.Bytes.Length);
        else file.Areas.Add(("flat extent", 0, Math.Min(file.Bytes.Length, 4096)));
    }

    private void Hosted()
    {
        var hasFooter = At(56, 8) == ulong.MaxValue;
        var footer = file.Bytes.Length - (2 * Sector);
        foreach (var (name, offset, size) in HostedFields) file.Add("header", name, offset, size, false, hasFooter && offset != 56 ? footer + offset : -1);
        if (hasFooter)
            foreach (var (name, offset, size) in HostedFields) file.Add("footer", name, footer + offset, size, false, offset);
        if (At(28, 8) != 0) file.Descriptor = ((long)At(28, 8) * Sector, (int)At(36, 8) * Sector);
        var isCompressed = (At(8, 4) & 0x10000) != 0;
        var perTable = (long)At(44, 4);
        var tables = (int)(((long)At(12, 8) + ((long)At(20, 8) * perTable) - 1) / ((long)At(20, 8) * perTable));
        if ((At(8, 4) & 2) != 0) Directory("redundant directory", (long)At(48, 8), tables, (int)perTable, isCompressed: false);
        Directory("directory", (long)At(hasFooter ? footer + 56 : 56, 8), tables, (int)perTable, isCompressed);
    }

    private void Directory(string name, long sector, int tables, int perTable, bool isCompressed)
    {
        for (var i = 0; i < Math.Min(tables, EntriesMax); i++)
        {
            file.Add(name, "entry", (sector * Sector) + (i * 4), 4, false);
            var table = (long)At((sector * Sector) + (i * 4), 4) * Sector;
            if (table == 0) continue;
            for (int entry = 0, found = 0; entry < perTable && found < EntriesMax; entry++)
            {
                var grain = (long)At(table + (entry * 4), 4);
                if (grain == 0 && entry > 8) continue;
                found++;
                file.Add("grain table", "entry", table + (entry * 4), 4, false);
                if (!isCompressed || grain <= 1) continue;
                file.Add("grain marker", "lba", grain * Sector, 8, false);
                file.Add("grain marker", "size", (grain * Sector) + 8, 4, false);
                file.Areas.Add(("compressed grain", (grain * Sector) + 12, (int)Math.Min(256, At((grain * Sector) + 8, 4))));
            }
        }
    }

    private void Cow()
    {
        foreach (var (name, offset, size) in CowFields) file.Add("COWD header", name, offset, size, false);
        Directory("COWD directory", (long)At(20, 4), (int)At(24, 4), 4096, isCompressed: false);
    }

    private void SeSparse()
    {
        for (var field = 0; field < 26; field++) file.Add("seSparse header", $"at {field * 8}", field * 8, 8, false);
        for (var field = 0; field < 4; field++) file.Add("seSparse volatile header", $"at {field * 8}", ((long)At(80, 8) * Sector) + (field * 8), 8, false);
        var (directory, tables) = ((long)At(128, 8) * Sector, (long)At(144, 8) * Sector);
        for (var i = 0; i < 4; i++)
        {
            file.Add("seSparse directory", "entry", directory + (i * 8), 8, false);
            if (At(directory + (i * 8), 8) == 0) continue;
            var table = tables + ((long)(uint)At(directory + (i * 8), 8) * 64 * Sector);
            for (int entry = 0, found = 0; entry < 4096 && found < EntriesMax; entry++)
            {
                if (At(table + (entry * 8), 8) == 0 && entry > 8) continue;
                found++;
                file.Add("seSparse grain table", "entry", table + (entry * 8), 8, false);
            }
        }
    }

    private ulong At(long offset, int size) => file.Number(offset, size, false);
}
