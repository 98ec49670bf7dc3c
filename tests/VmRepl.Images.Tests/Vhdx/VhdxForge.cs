using System.Buffers.Binary;
using System.Text;

namespace VmRepl.Images.Tests.Vhdx;

/// <summary>
/// Changes a VHDX file byte by byte, as its specification says and with no line of the product: its own checksum, its own way to the tables.
/// </summary>
internal sealed class VhdxForge(byte[] file)
{
    public const int LogSector = 4096;
    private const int MiB = 1 << 20;
    private static readonly byte[] BatId = new Guid("2dc27766-f623-4200-9d64-115e9bfd4a08").ToByteArray();
    private static readonly byte[] MetadataId = new Guid("8b7ca206-4790-4b9a-b8fe-575f050f886e").ToByteArray();
    private static readonly byte[] ParametersId = new Guid("caa16737-fa36-4d43-b3b6-33f0aa44e76b").ToByteArray();
    private static readonly byte[] LocatorId = new Guid("a8d35f2d-b30b-454d-abf7-d3d84834ab0c").ToByteArray();

    public byte[] File { get; private set; } = file;

    public int Bat => Region(BatId);

    public int Metadata => Region(MetadataId);

    public int LogOffset => (int)BinaryPrimitives.ReadUInt64LittleEndian(File.AsSpan(CurrentHeader + 72));

    public int LogLength => (int)BinaryPrimitives.ReadUInt32LittleEndian(File.AsSpan(CurrentHeader + 68));

    public Guid DataWriteGuid => new(File.AsSpan(CurrentHeader + 32, 16));

    private int CurrentHeader => BinaryPrimitives.ReadUInt64LittleEndian(File.AsSpan(0x10008)) > BinaryPrimitives.ReadUInt64LittleEndian(File.AsSpan(0x20008)) ? 0x10000 : 0x20000;

    public ulong BatEntry(int index) => BinaryPrimitives.ReadUInt64LittleEndian(File.AsSpan(Bat + (index * 8)));

    public void SetBatEntry(int index, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(File.AsSpan(Bat + (index * 8)), value);

    public byte[] BatSector() => File.AsSpan(Bat, LogSector).ToArray();

    /// <summary>Changes both headers alike, each with its checksum.</summary>
    public void SetHeaders(int offset, byte[] bytes)
    {
        foreach (var header in new[] { 0x10000, 0x20000 }) SetHeader(header, offset, bytes);
    }

    /// <summary>Changes the header at <paramref name="header"/>, with its checksum.</summary>
    public void SetHeader(int header, int offset, byte[] bytes)
    {
        bytes.CopyTo(File, header + offset);
        Seal(header, 4096);
    }

    public void SetLogGuid(Guid guid) => SetHeaders(48, guid.ToByteArray());

    public void SealRegionTables()
    {
        Seal(0x30000, 65536);
        Seal(0x40000, 65536);
    }

    /// <summary>Puts an entry into the log; a null sector is a zero descriptor of 4096 bytes.</summary>
    /// <returns>Where the next entry goes.</returns>
    public int PutLogEntry(int at, ulong sequence, Guid guid, int tail, params (long FileOffset, byte[]? Sector)[] changes)
    {
        var data = changes.Count(c => c.Sector is not null);
        var entry = new byte[LogSector * (1 + data)];
        "loge"u8.CopyTo(entry);
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(8), (uint)entry.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(12), (uint)tail);
        BinaryPrimitives.WriteUInt64LittleEndian(entry.AsSpan(16), sequence);
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(24), (uint)changes.Length);
        guid.ToByteArray().CopyTo(entry, 32);
        BinaryPrimitives.WriteUInt64LittleEndian(entry.AsSpan(48), (ulong)File.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(entry.AsSpan(56), (ulong)File.Length);
        var sector = 1;
        for (var i = 0; i < changes.Length; i++)
        {
            var descriptor = entry.AsSpan(64 + (i * 32), 32);
            BinaryPrimitives.WriteInt64LittleEndian(descriptor[16..], changes[i].FileOffset);
            BinaryPrimitives.WriteUInt64LittleEndian(descriptor[24..], sequence);
            if (changes[i].Sector is not { } bytes)
            {
                "zero"u8.CopyTo(descriptor);
                BinaryPrimitives.WriteUInt64LittleEndian(descriptor[8..], LogSector);
                continue;
            }

            "desc"u8.CopyTo(descriptor);
            bytes.AsSpan(4092, 4).CopyTo(descriptor[4..]);
            bytes.AsSpan(0, 8).CopyTo(descriptor[8..]);
            var place = entry.AsSpan(sector++ * LogSector, LogSector);
            bytes.CopyTo(place);
            "data"u8.CopyTo(place);
            BinaryPrimitives.WriteUInt32LittleEndian(place[4..], (uint)(sequence >> 32));
            BinaryPrimitives.WriteUInt32LittleEndian(place[4092..], (uint)sequence);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(4), Crc(entry));
        for (var i = 0; i < entry.Length; i++) File[LogOffset + ((at + i) % LogLength)] = entry[i];
        return (at + entry.Length) % LogLength;
    }

    /// <summary>Makes the disk a child of another: the flag and the locator.</summary>
    public void SetParent(Guid linkage, string relativePath)
    {
        var locator = new MemoryStream();
        (string Key, string Value)[] pairs = [("parent_linkage", $"{{{linkage}}}"), ("relative_path", relativePath)];
        locator.Write(new Guid("b04aefb7-d19e-4a81-b789-25b8e9445913").ToByteArray());
        locator.Write([0, 0, (byte)pairs.Length, 0]);
        var at = 20 + (12 * pairs.Length);
        foreach (var (key, value) in pairs)
        {
            locator.Write(BitConverter.GetBytes(at));
            locator.Write(BitConverter.GetBytes(at + (key.Length * 2)));
            locator.Write(BitConverter.GetBytes((ushort)(key.Length * 2)));
            locator.Write(BitConverter.GetBytes((ushort)(value.Length * 2)));
            at += (key.Length + value.Length) * 2;
        }

        foreach (var (key, value) in pairs) locator.Write(Encoding.Unicode.GetBytes(key + value));
        var count = BinaryPrimitives.ReadUInt16LittleEndian(File.AsSpan(Metadata + 10));
        var entry = File.AsSpan(Metadata + 32 + (count * 32), 32);
        LocatorId.CopyTo(entry);
        BinaryPrimitives.WriteInt32LittleEndian(entry[16..], 0x20000);
        BinaryPrimitives.WriteInt32LittleEndian(entry[20..], (int)locator.Length);
        BinaryPrimitives.WriteInt32LittleEndian(entry[24..], 4);
        BinaryPrimitives.WriteUInt16LittleEndian(File.AsSpan(Metadata + 10), (ushort)(count + 1));
        locator.ToArray().CopyTo(File, Metadata + 0x20000);
        File[Item(ParametersId) + 4] |= 2;
    }

    /// <summary>Where the contents of a metadata item stand.</summary>
    public int Item(byte[] id)
    {
        var entry = File.AsSpan(Metadata, 65536).IndexOf(id);
        return Metadata + BinaryPrimitives.ReadInt32LittleEndian(File.AsSpan(Metadata + entry + 16));
    }

    /// <summary>Adds one MiB at the end and returns its offset.</summary>
    public int AddMiB(byte[] head)
    {
        var at = (File.Length + MiB - 1) / MiB * MiB;
        var longer = new byte[at + MiB];
        File.CopyTo(longer, 0);
        head.CopyTo(longer, at);
        File = longer;
        return at;
    }

    private int Region(byte[] id) => (int)BinaryPrimitives.ReadUInt64LittleEndian(File.AsSpan(0x30000 + File.AsSpan(0x30000, 65536).IndexOf(id) + 16));

    private void Seal(int at, int length)
    {
        File.AsSpan(at + 4, 4).Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(File.AsSpan(at + 4), Crc(File.AsSpan(at, length)));
    }

    internal static uint Crc(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var b in bytes)
        {
            crc ^= b;
            for (var bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) * 0x82F63B78);
        }

        return ~crc;
    }
}
