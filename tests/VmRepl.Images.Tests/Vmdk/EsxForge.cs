using System.Buffers.Binary;

namespace VmRepl.Images.Tests.Vmdk;

/// <summary>
/// Writes extents that only VMware's hosts make, vmfsSparse and seSparse, by code that shares nothing with the product's: from Virtual Disk Format 5.0 and from what QEMU's
/// reader demands. Tables and grains lie out of order, so that no reader gets by on luck.
/// </summary>
internal static class EsxForge
{
    private const int Sector = 512;

    /// <summary>A vmfsSparse extent of <paramref name="sectors"/> with the grains given; each has <paramref name="grainSectors"/> sectors, the last may be cut.</summary>
    public static void WriteCowd(string path, uint sectors, uint grainSectors, IReadOnlyDictionary<int, byte[]> grains, int seed)
    {
        var tables = (int)((sectors + (grainSectors * 4096) - 1) / (grainSectors * 4096));
        var used = Shuffled(grains.Keys.Select(g => g / 4096).Distinct(), seed);
        var directorySectors = ((tables * 4) + Sector - 1) / Sector;
        var free = (uint)(4 + directorySectors);
        var file = new MemoryStream();
        var directory = new byte[directorySectors * Sector];
        foreach (var table in used)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(directory.AsSpan(table * 4), free);
            free += 32;
        }

        foreach (var grain in Shuffled(grains.Keys, seed + 1))
        {
            var at = BinaryPrimitives.ReadUInt32LittleEndian(directory.AsSpan(grain / 4096 * 4));
            Put(file, (at * Sector) + (grain % 4096 * 4), BitConverter.GetBytes(free));
            Put(file, (long)free * Sector, grains[grain]);
            free += grainSectors;
        }

        var header = new byte[2048];
        "COWD"u8.CopyTo(header);
        uint[] fields = [1, 3, sectors, grainSectors, 4, (uint)tables, free];
        for (var i = 0; i < fields.Length; i++) BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(4 + (i * 4)), fields[i]);
        Put(file, 0, header);
        Put(file, 4 * Sector, directory);
        file.SetLength(Math.Max(file.Length, 4 * Sector + directory.Length + (used.Count * 32 * Sector)));
        File.WriteAllBytes(path, file.ToArray());
    }

    /// <summary>An seSparse extent of <paramref name="sectors"/>: grains of 4 KiB with contents, of zeros (empty array), or unmapped (null).</summary>
    public static void WriteSeSparse(string path, ulong sectors, IReadOnlyDictionary<int, byte[]?> grains, int seed, int firstGrain = 0, ulong replay = 0)
    {
        var tables = (int)((sectors + (8 * 4096) - 1) / (8 * 4096));
        var used = Shuffled(grains.Keys.Select(g => g / 4096).Distinct(), seed);
        const long directoryAt = 128;
        var directorySectors = ((tables * 8) + Sector - 1) / Sector;
        var tablesAt = directoryAt + directorySectors + 8;
        var grainsAt = (tablesAt + ((used.Count + 1) * 64) + 127) / 128 * 128;
        using var file = File.Create(path);
        // Number 0 is left free: an entry that forgets its number would find it.
        foreach (var (table, number) in used.Select((t, i) => (t, i + 1)))
            Put(file, (directoryAt * Sector) + (table * 8), BitConverter.GetBytes(0x1000_0000_0000_0000UL | (uint)number));
        var next = (ulong)firstGrain;
        foreach (var grain in Shuffled(grains.Keys, seed + 1))
        {
            var table = tablesAt + ((used.IndexOf(grain / 4096) + 1) * 64);
            ulong entry = 0x1000_0000_0000_0000;
            if (grains[grain] is { Length: 0 }) entry = 0x2000_0000_0000_0000;
            else if (grains[grain] is { } bytes)
            {
                entry = 0x3000_0000_0000_0000 | ((next & 0xFFF) << 48) | (next >> 12);
                Put(file, (grainsAt + ((long)next * 8)) * Sector, bytes);
                next++;
            }

            Put(file, (table * Sector) + (grain % 4096 * 8), BitConverter.GetBytes(entry));
        }

        ulong[] header =
        [
            0xCAFEBABE, 0x2_0000_0001, sectors, 8, 64, 0, 0, 0, 0, 0, 1, 1, 2, 1, 3, 60, (ulong)directoryAt, (ulong)directorySectors, (ulong)tablesAt,
            (ulong)((used.Count + 1) * 64), (ulong)grainsAt - 2, 1, (ulong)grainsAt - 1, 1, (ulong)grainsAt, sectors,
        ];
        for (var i = 0; i < header.Length; i++) Put(file, i * 8, BitConverter.GetBytes(header[i]));
        Put(file, Sector, BitConverter.GetBytes(0xCAFECAFEUL));
        Put(file, Sector + 8, BitConverter.GetBytes((ulong)used.Count + 1));
        Put(file, Sector + 24, BitConverter.GetBytes(replay));
        if (file.Length < (grainsAt + 8) * Sector) file.SetLength((grainsAt + 8) * Sector);
    }

    /// <summary>A descriptor of its own file.</summary>
    public static void WriteDescriptor(string path, string createType, string extents, uint cid, uint parentCid = uint.MaxValue, string? parent = null, string more = "")
    {
        var hint = parent is null ? "" : $"parentFileNameHint=\"{parent}\"\n";
        File.WriteAllText(path, $"# Disk DescriptorFile\nversion=1\nCID={cid:x8}\nparentCID={parentCid:x8}\n{hint}createType=\"{createType}\"\n{more}\n# Extent description\n{extents}\n\n# The Disk Data Base\n#DDB\n\nddb.adapterType = \"lsilogic\"\n");
    }

    private static void Put(Stream file, long at, byte[] bytes)
    {
        file.Position = at;
        file.Write(bytes);
    }

    private static List<int> Shuffled(IEnumerable<int> values, int seed)
    {
        var shuffled = values.Order().ToArray();
        new Random(seed).Shuffle(shuffled);
        return [.. shuffled];
    }
}
