using System.Buffers.Binary;
using System.Text;

namespace VmRepl.Images.Tests.Vmdk;

/// <summary>
/// Writes hosted sparse extents (Virtual Disk Format 5.0, "Hosted Sparse Extents") of kinds that qemu-img does not make: other grains, other tables, missing tables, without a redundant
/// directory, of later versions. Tables and grains lie out of order. Shares no line with the product.
/// </summary>
internal sealed class SparseForge
{
    private const int Sector = 512;

    public required long Sectors { get; init; }

    public int GrainSectors { get; init; } = 128;

    public int TableEntries { get; init; } = 512;

    public uint Version { get; init; } = 1;

    public bool IsRedundant { get; init; } = true;

    public bool HasZeroedGrains { get; init; }

    /// <summary>Text inside the file; null for an extent of a split disk.</summary>
    public string? Descriptor { get; init; }

    /// <summary>By number; an empty array is a zeroed grain.</summary>
    public required IReadOnlyDictionary<int, byte[]> Grains { get; init; }

    public void Write(string path, int seed)
    {
        var tables = (int)((Sectors + (GrainSectors * (long)TableEntries) - 1) / (GrainSectors * (long)TableEntries));
        var directorySectors = Up(tables * 4);
        var tableSectors = Up(TableEntries * 4);
        var used = Shuffled(Grains.Keys.Select(g => g / TableEntries).Distinct(), seed);
        const int descriptorAt = 1, descriptorSectors = 20;
        long free = Descriptor is null ? 1 : descriptorAt + descriptorSectors;
        var copies = new long[IsRedundant ? 2 : 1];
        var places = new Dictionary<int, long>[copies.Length];
        for (var copy = 0; copy < copies.Length; copy++)
        {
            copies[copy] = free;
            free += directorySectors;
            places[copy] = [];
            foreach (var table in used)
            {
                places[copy][table] = free;
                free += tableSectors;
            }
        }

        var overhead = (free + GrainSectors - 1) / GrainSectors * GrainSectors;
        var next = overhead;
        using var file = File.Create(path);
        file.SetLength(overhead * Sector);
        for (var copy = 0; copy < copies.Length; copy++)
        {
            foreach (var (table, at) in places[copy]) Put(file, (copies[copy] * Sector) + (table * 4), BitConverter.GetBytes((uint)at));
        }

        foreach (var grain in Shuffled(Grains.Keys, seed + 1))
        {
            uint entry = 1;
            if (Grains[grain].Length > 0)
            {
                entry = (uint)next;
                Put(file, next * Sector, Grains[grain]);
                next += GrainSectors;
            }

            foreach (var copy in places) Put(file, (copy[grain / TableEntries] * Sector) + (grain % TableEntries * 4), BitConverter.GetBytes(entry));
        }

        var header = new byte[Sector];
        "KDMV"u8.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(4), Version);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(8), 1u | (IsRedundant ? 2u : 0) | (HasZeroedGrains ? 4u : 0));
        long[] figures = [Sectors, GrainSectors, Descriptor is null ? 0 : descriptorAt, Descriptor is null ? 0 : descriptorSectors];
        for (var i = 0; i < figures.Length; i++) BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(12 + (i * 8)), figures[i]);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(44), TableEntries);
        if (IsRedundant) BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(48), copies[1]);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(56), copies[0]);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(64), overhead);
        "\n \r\n"u8.CopyTo(header.AsSpan(73));
        Put(file, 0, header);
        if (Descriptor is not null) Put(file, descriptorAt * Sector, Encoding.ASCII.GetBytes(Descriptor));
    }

    private static int Up(int bytes) => (bytes + Sector - 1) / Sector;

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
