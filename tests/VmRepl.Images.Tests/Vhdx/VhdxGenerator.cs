using System.Buffers.Binary;
using System.Text;
using VmRepl.Blocks;

namespace VmRepl.Images.Tests.Vhdx;

/// <summary>
/// Writes VHDX files that no tool on Linux makes, differencing ones and such of 4096-byte sectors, from [MS-VHDX] and with no line of the product: its own tables, checksums and
/// arithmetic. Blocks lie out of order, offsets that mean nothing hold nonsense, both sector bitmaps and payload may cross chunks.
/// </summary>
internal sealed class VhdxGenerator
{
    private const long MiB = 1 << 20, LogAt = MiB, MetadataAt = 2 * MiB, BatAt = 3 * MiB;

    public required long Length { get; init; }

    public required int BlockSize { get; init; }

    public int SectorSize { get; init; } = 512;

    public Guid DataWriteGuid { get; init; } = Guid.NewGuid();

    /// <summary>Null for a dynamic disk.</summary>
    public (Guid Linkage, string RelativePath)? Parent { get; init; }

    /// <summary>By number; a block that is not named is not present.</summary>
    public Dictionary<long, GeneratedBlock> Blocks { get; init; } = [];

    /// <summary>Where each block with contents went.</summary>
    public Dictionary<long, long> Places { get; } = [];

    private long ChunkRatio => (1L << 23) * SectorSize / BlockSize;

    private long BlockCount => (Length + BlockSize - 1) / BlockSize;

    public void Write(string path, int seed)
    {
        using var file = File.Create(path);
        Put(file, 0, [.. "vhdxfile"u8, .. Encoding.Unicode.GetBytes("generator of the tests")]);
        var chunks = (BlockCount + ChunkRatio - 1) / ChunkRatio;
        var batBytes = ((chunks * (ChunkRatio + 1) * 8) + MiB - 1) / MiB * MiB;
        WriteHeader(file, 0x10000, 6);
        WriteHeader(file, 0x20000, 7);
        foreach (var at in new[] { 0x30000, 0x40000 }) WriteRegions(file, at, batBytes);
        WriteMetadata(file);
        var free = BatAt + batBytes;
        var order = Blocks.Keys.Order().ToArray();
        new Random(seed).Shuffle(order);
        var bitmaps = new SortedDictionary<long, byte[]>();
        foreach (var number in order)
        {
            var block = Blocks[number];
            // In the states without contents the offset means nothing.
            var place = block.Contents is null ? 0x7777_7770_0000 : free;
            if (block.Contents is not null)
            {
                Put(file, free, block.Contents);
                Places[number] = free;
                free += BlockSize;
                if (file.Length < free) file.SetLength(free);
            }

            if (block.Here is { } here)
            {
                if (!bitmaps.TryGetValue(number / ChunkRatio, out var bits)) bitmaps[number / ChunkRatio] = bits = new byte[MiB];
                var first = number % ChunkRatio * (BlockSize / SectorSize);
                for (var i = 0; i < here.Length; i++)
                {
                    if (here[i]) bits[(first + i) / 8] |= (byte)(1 << (int)((first + i) % 8));
                }
            }

            Put(file, BatAt + ((number + (number / ChunkRatio)) * 8), BitConverter.GetBytes((ulong)place | (uint)block.State));
        }

        foreach (var (chunk, bits) in bitmaps)
        {
            Put(file, free, bits);
            Put(file, BatAt + (((chunk * (ChunkRatio + 1)) + ChunkRatio) * 8), BitConverter.GetBytes((ulong)free | 6));
            free += MiB;
        }

        if (file.Length < BatAt + batBytes) file.SetLength(BatAt + batBytes);
    }

    /// <summary>What a map has to say of each logical sector: in this file at its place, in one behind, zero, or nowhere.</summary>
    public MapExtent[] Sectors(MapExtent[]? behind)
    {
        var sectors = new MapExtent[Length / SectorSize];
        for (var i = 0; i < sectors.Length; i++)
        {
            var offset = (long)i * SectorSize;
            var (number, inBlock) = (offset / BlockSize, offset % BlockSize);
            var block = Blocks.GetValueOrDefault(number) ?? new GeneratedBlock(0);
            if (block.State == 6 || (block.State == 7 && block.Here![inBlock / SectorSize]))
                sectors[i] = new MapExtent(offset, SectorSize, BlockState.Data, 0, Places[number] + inBlock);
            else if (block.State is 1 or 2 or 3 or 5) sectors[i] = new MapExtent(offset, SectorSize, BlockState.Zero);
            else if (behind is not null && i < behind.Length) sectors[i] = behind[i] with { Depth = behind[i].Depth + 1 };
            else sectors[i] = new MapExtent(offset, SectorSize, BlockState.Unallocated);
        }

        return sectors;
    }

    /// <summary>The disk's contents over those of its parent.</summary>
    public byte[] Contents(byte[]? behind)
    {
        var disk = new byte[Length];
        behind?.AsSpan(0, (int)Math.Min(Length, behind.Length)).CopyTo(disk);
        foreach (var (number, block) in Blocks)
        {
            var at = (int)(number * BlockSize);
            var length = (int)Math.Min(BlockSize, Length - at);
            if (block.State is 1 or 2 or 3 or 5) disk.AsSpan(at, length).Clear();
            for (var i = 0; block.Contents is not null && i < length; i += SectorSize)
            {
                if (block.Here is null || block.Here[i / SectorSize]) block.Contents.AsSpan(i, SectorSize).CopyTo(disk.AsSpan(at + i));
            }
        }

        return disk;
    }

    private void WriteHeader(Stream file, long at, ulong sequence)
    {
        var header = new byte[4096];
        "head"u8.CopyTo(header);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), sequence);
        Guid.NewGuid().ToByteArray().CopyTo(header, 16);
        DataWriteGuid.ToByteArray().CopyTo(header, 32);
        header[66] = 1;
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(68), (uint)MiB);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(72), (ulong)LogAt);
        Seal(file, at, header);
    }

    private static void WriteRegions(Stream file, long at, long batBytes)
    {
        var table = new byte[65536];
        "regi"u8.CopyTo(table);
        table[8] = 2;
        Entry(16, new Guid("8b7ca206-4790-4b9a-b8fe-575f050f886e"), MetadataAt, MiB);
        Entry(48, new Guid("2dc27766-f623-4200-9d64-115e9bfd4a08"), BatAt, batBytes);
        Seal(file, at, table);

        void Entry(int entry, Guid id, long offset, long length)
        {
            id.ToByteArray().CopyTo(table, entry);
            BinaryPrimitives.WriteInt64LittleEndian(table.AsSpan(entry + 16), offset);
            BinaryPrimitives.WriteInt32LittleEndian(table.AsSpan(entry + 24), (int)length);
            table[entry + 28] = 1;
        }
    }

    private void WriteMetadata(Stream file)
    {
        var region = new byte[MiB];
        "metadata"u8.CopyTo(region);
        var (count, at) = (0, 0x10000);
        Item("caa16737-fa36-4d43-b3b6-33f0aa44e76b", [.. BitConverter.GetBytes(BlockSize), (byte)(Parent is null ? 0 : 2), 0, 0, 0], 4);
        Item("2fa54224-cd1b-4876-b211-5dbed83bf4b8", BitConverter.GetBytes(Length), 6);
        Item("beca12ab-b2e6-4523-93ef-c309e000c746", Guid.NewGuid().ToByteArray(), 6);
        Item("8141bf1d-a96f-4709-ba47-f233a8faab5f", BitConverter.GetBytes(SectorSize), 6);
        Item("cda348c7-445d-4471-9cc9-e9885251c556", BitConverter.GetBytes(4096), 6);
        if (Parent is { } parent)
        {
            Item("a8d35f2d-b30b-454d-abf7-d3d84834ab0c", Locator(
                ("parent_linkage", $"{{{parent.Linkage}}}"), ("parent_linkage2", $"{{{Guid.Empty}}}"), ("relative_path", parent.RelativePath), ("absolute_win32_path", @"C:\nowhere\else.vhdx")), 4);
        }

        region[10] = (byte)count;
        Put(file, MetadataAt, region);

        void Item(string id, byte[] value, byte flags)
        {
            var entry = region.AsSpan(32 + (32 * count++), 32);
            new Guid(id).ToByteArray().CopyTo(entry);
            BinaryPrimitives.WriteInt32LittleEndian(entry[16..], at);
            BinaryPrimitives.WriteInt32LittleEndian(entry[20..], value.Length);
            entry[24] = flags;
            value.CopyTo(region, at);
            at += (value.Length + 7) / 8 * 8;
        }
    }

    private static byte[] Locator(params (string Key, string Value)[] pairs)
    {
        var locator = new List<byte>([.. new Guid("b04aefb7-d19e-4a81-b789-25b8e9445913").ToByteArray(), 0, 0, (byte)pairs.Length, 0]);
        var at = 20 + (12 * pairs.Length);
        foreach (var (key, value) in pairs)
        {
            locator.AddRange([.. BitConverter.GetBytes(at), .. BitConverter.GetBytes(at + (key.Length * 2)), .. BitConverter.GetBytes((ushort)(key.Length * 2)), .. BitConverter.GetBytes((ushort)(value.Length * 2))]);
            at += (key.Length + value.Length) * 2;
        }

        foreach (var (key, value) in pairs) locator.AddRange(Encoding.Unicode.GetBytes(key + value));
        return [.. locator];
    }

    private static void Seal(Stream file, long at, byte[] bytes)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4), VhdxForge.Crc(bytes));
        Put(file, at, bytes);
    }

    private static void Put(Stream file, long at, byte[] bytes)
    {
        file.Position = at;
        file.Write(bytes);
    }
}
