using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace VmRepl.Images.Tests.Vmdk;

/// <summary>
/// Writes a streamOptimized disk as VMware's own tools do (Virtual Disk Format 5.0, "Stream-Optimized Compressed Sparse Extents"): markers, tables and directory behind the grains,
/// and a footer, since a stream cannot go back to its header. Shares no line with the product.
/// </summary>
internal static class StreamForge
{
    private const int Sector = 512, GrainSectors = 128, TableEntries = 512;

    public static void Write(string path, byte[] disk)
    {
        using var file = File.Create(path);
        var sectors = disk.Length / Sector;
        var text = $"# Disk DescriptorFile\nversion=1\nCID=7a3b5c9d\nparentCID=ffffffff\ncreateType=\"streamOptimized\"\n\n# Extent description\nRDONLY {sectors} SPARSE \"stream.vmdk\"\n\n#DDB\nddb.adapterType = \"lsilogic\"\n";
        file.Write(Header(sectors, ulong.MaxValue));
        file.Write(Encoding.ASCII.GetBytes(text));
        file.SetLength(GrainSectors * Sector);
        file.Position = file.Length;
        var directory = new List<uint>();
        var grains = (sectors + GrainSectors - 1) / GrainSectors;
        for (var first = 0; first < grains; first += TableEntries)
        {
            var table = new uint[TableEntries];
            for (var i = 0; i < TableEntries && first + i < grains; i++)
            {
                var at = (first + i) * GrainSectors * Sector;
                var grain = disk.AsSpan(at, Math.Min(GrainSectors * Sector, disk.Length - at));
                if (!grain.ContainsAnyExcept((byte)0)) continue;
                table[i] = (uint)(file.Position / Sector);
                var whole = new byte[GrainSectors * Sector];
                grain.CopyTo(whole);
                var packed = new MemoryStream();
                using (var zlib = new ZLibStream(packed, CompressionLevel.Optimal, leaveOpen: true)) zlib.Write(whole);
                file.Write(BitConverter.GetBytes((ulong)(first + i) * GrainSectors));
                file.Write(BitConverter.GetBytes((uint)packed.Length));
                file.Write(packed.ToArray());
                Pad(file);
            }

            if (table.All(e => e == 0))
            {
                directory.Add(0);
                continue;
            }

            file.Write(Marker(TableEntries * 4 / Sector, 1));
            directory.Add((uint)(file.Position / Sector));
            foreach (var entry in table) file.Write(BitConverter.GetBytes(entry));
        }

        file.Write(Marker(((directory.Count * 4) + Sector - 1) / Sector, 2));
        var directorySector = (ulong)(file.Position / Sector);
        foreach (var entry in directory) file.Write(BitConverter.GetBytes(entry));
        Pad(file);
        file.Write(Marker(1, 3));
        file.Write(Header(sectors, directorySector));
        file.Write(Marker(0, 0));
    }

    private static byte[] Header(int sectors, ulong directory)
    {
        var header = new byte[Sector];
        "KDMV"u8.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(4), 3);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(8), 0x30001);
        ulong[] places = [(ulong)sectors, GrainSectors, 1, 20];
        for (var i = 0; i < places.Length; i++) BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(12 + (i * 8)), places[i]);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(44), TableEntries);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(56), directory);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(64), GrainSectors);
        "\n \r\n"u8.CopyTo(header.AsSpan(73));
        header[77] = 1;
        return header;
    }

    private static byte[] Marker(int sectors, byte type)
    {
        var marker = new byte[Sector];
        BinaryPrimitives.WriteInt32LittleEndian(marker, sectors);
        marker[12] = type;
        return marker;
    }

    private static void Pad(Stream file) => file.Write(new byte[(Sector - (int)(file.Position % Sector)) % Sector]);
}
