using System.Buffers.Binary;
using System.Text;

namespace VmRepl.Images.Tests.Vhd;

/// <summary>
/// Builds VHD files field by field from Microsoft's specification, with no line of the product: what no tool here makes (differencing disks, odd block sizes, clear bitmaps, old footers).
/// </summary>
internal sealed class VhdForge
{
    public const uint Relative = 0x57327275, Absolute = 0x57326B75, Url = 0x4D616358;

    public int Type { get; init; } = 3;

    public required long Size { get; init; }

    public int BlockSize { get; init; } = 1 << 21;

    public string Creator { get; init; } = "frge";

    public Guid Id { get; init; } = Guid.NewGuid();

    public uint Time { get; init; } = 800_000_000;

    public (int Cylinders, int Heads, int Sectors) Geometry { get; init; } = (1, 4, 17);

    public Guid ParentId { get; init; }

    public uint ParentTime { get; init; }

    public string ParentName { get; init; } = "";

    public List<(uint Code, byte[] Name)> Locators { get; } = [];

    /// <summary>Entries of the table beyond those that the disk needs.</summary>
    public int SpareEntries { get; init; }

    /// <summary>Bytes left free before the header, and before the table.</summary>
    public int Padding { get; init; }

    /// <summary>Blocks in the order in which they lie in the file: number, bitmap (null: all set), data.</summary>
    public List<(int Block, byte[]? Bitmap, byte[] Data)> Blocks { get; } = [];

    /// <summary>Where the last file that was built has its header, its table, and each block's bitmap.</summary>
    public int HeaderAt { get; private set; }

    public int TableAt { get; private set; }

    public Dictionary<int, int> BlockAt { get; } = [];

    public byte[] Build()
    {
        var file = new MemoryStream();
        HeaderAt = 512 + Padding;
        var end = HeaderAt + 1024;
        var locatorsAt = end;
        foreach (var (_, name) in Locators) end += (name.Length + 511) / 512 * 512;
        TableAt = end + Padding;
        var entries = (int)((Size + BlockSize - 1) / BlockSize) + SpareEntries;
        var table = new byte[entries * 4];
        table.AsSpan().Fill(255);
        end = (TableAt + table.Length + 511) / 512 * 512;
        var bitmapBytes = ((BlockSize / 512 + 7) / 8 + 511) / 512 * 512;
        foreach (var (block, bitmap, data) in Blocks)
        {
            BinaryPrimitives.WriteUInt32BigEndian(table.AsSpan(block * 4), (uint)(end / 512));
            BlockAt[block] = end;
            var bits = new byte[bitmapBytes];
            if (bitmap is null) bits.AsSpan().Fill(255);
            else bitmap.CopyTo(bits, 0);
            Put(file, end, bits);
            Put(file, end + bitmapBytes, data);
            end += bitmapBytes + BlockSize;
        }

        var header = new byte[1024];
        "cxsparse"u8.CopyTo(header);
        header.AsSpan(8, 8).Fill(255);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(16), TableAt);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(24), 0x10000);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(28), entries);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(32), BlockSize);
        Swapped(ParentId).CopyTo(header, 40);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(56), ParentTime);
        Encoding.BigEndianUnicode.GetBytes(ParentName).CopyTo(header, 64);
        for (var i = 0; i < Locators.Count; i++)
        {
            var entry = header.AsSpan(576 + (i * 24));
            BinaryPrimitives.WriteUInt32BigEndian(entry, Locators[i].Code);
            BinaryPrimitives.WriteInt32BigEndian(entry[4..], 1);
            BinaryPrimitives.WriteInt32BigEndian(entry[8..], Locators[i].Name.Length);
            BinaryPrimitives.WriteInt64BigEndian(entry[16..], locatorsAt);
            Put(file, locatorsAt, Locators[i].Name);
            locatorsAt += (Locators[i].Name.Length + 511) / 512 * 512;
        }

        Seal(header, 0, 1024, 36);
        Put(file, 0, Footer());
        Put(file, HeaderAt, header);
        Put(file, TableAt, table);
        Put(file, end, Footer());
        return file.ToArray();
    }

    public byte[] Footer()
    {
        var footer = new byte[512];
        "conectix"u8.CopyTo(footer);
        footer[11] = 2;
        footer[13] = 1;
        BinaryPrimitives.WriteInt64BigEndian(footer.AsSpan(16), Type == 2 ? -1 : 512 + Padding);
        BinaryPrimitives.WriteUInt32BigEndian(footer.AsSpan(24), Time);
        Encoding.ASCII.GetBytes(Creator).CopyTo(footer, 28);
        "Wi2k"u8.CopyTo(footer.AsSpan(36));
        BinaryPrimitives.WriteInt64BigEndian(footer.AsSpan(40), Size);
        BinaryPrimitives.WriteInt64BigEndian(footer.AsSpan(48), Size);
        BinaryPrimitives.WriteInt16BigEndian(footer.AsSpan(56), (short)Geometry.Cylinders);
        (footer[58], footer[59]) = ((byte)Geometry.Heads, (byte)Geometry.Sectors);
        footer[63] = (byte)Type;
        Swapped(Id).CopyTo(footer, 68);
        Seal(footer, 0, 512, 64);
        return footer;
    }

    /// <summary>Puts the checksum of the structure of <paramref name="length"/> bytes at <paramref name="at"/> right.</summary>
    public static void Seal(byte[] file, int at, int length, int field)
    {
        BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(at + field), 0);
        uint sum = 0;
        for (var i = 0; i < length; i++) sum += file[at + i];
        BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(at + field), ~sum);
    }

    /// <summary>Changes both footers, with their checksums.</summary>
    public static void PatchFooters(byte[] file, int field, byte[] value)
    {
        foreach (var at in new[] { 0, file.Length - 512 })
        {
            value.CopyTo(file, at + field);
            Seal(file, at, 512, 64);
        }
    }

    private static byte[] Swapped(Guid id) => Convert.FromHexString(id.ToString("N"));

    private static void Put(MemoryStream file, int at, byte[] bytes)
    {
        file.Position = at;
        file.Write(bytes);
    }
}
