using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>
/// Grain tables of an extent that is only read: loaded where they are needed, as many kept as fit a fixed bound, the oldest given up first. Safe for concurrent use.
/// </summary>
/// <param name="file">Where they stand; not owned.</param>
/// <param name="tableBytes">Bytes of one table.</param>
internal sealed class TableCache(IHostFile file, int tableBytes)
{
    private const int CacheBytes = 8 << 20;

    private readonly int tablesMax = CacheBytes / tableBytes;
    private readonly Lock gate = new();
    private readonly Dictionary<long, byte[]> tables = [];
    private readonly Queue<long> order = new();

    /// <summary>The table at <paramref name="offset"/>, which lies inside the file.</summary>
    /// <exception cref="ImageFormatException">The file became shorter.</exception>
    public byte[] At(long offset)
    {
        lock (gate)
        {
            if (tables.TryGetValue(offset, out var table)) return table;
            table = new byte[tableBytes];
            var read = file.Read(offset, table);
            if (read < table.Length) throw new ImageFormatException(file.Path, offset + read, "grain table", "the file ended while it was read");
            if (tables.Count >= tablesMax) tables.Remove(order.Dequeue());
            tables.Add(offset, table);
            order.Enqueue(offset);
            return table;
        }
    }
}
