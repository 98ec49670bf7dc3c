using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>
/// Tables, or pages of one, that are only read: loaded where they are needed, as many kept as fit a fixed bound, the oldest given up first. Safe for concurrent use.
/// </summary>
/// <param name="file">Where they stand; not owned.</param>
/// <param name="tableBytes">Bytes of one table.</param>
/// <param name="cacheBytes">Bytes that are kept at most.</param>
internal sealed class TableCache(IHostFile file, int tableBytes, int cacheBytes = 8 << 20)
{
    private readonly int tablesMax = cacheBytes / tableBytes;
    private readonly Lock gate = new();
    private readonly Dictionary<long, byte[]> tables = [];
    private readonly Queue<long> order = new();

    /// <summary>The table at <paramref name="offset"/>, which lies inside the file.</summary>
    /// <exception cref="ImageFormatException">The file became shorter.</exception>
    public byte[] At(long offset) => At(offset, tableBytes);

    /// <summary>The same, of which only the first <paramref name="length"/> bytes are there.</summary>
    public byte[] At(long offset, int length)
    {
        lock (gate)
        {
            if (tables.TryGetValue(offset, out var table)) return table;
            table = new byte[length];
            var read = file.Read(offset, table);
            if (read < table.Length) throw new ImageFormatException(file.Path, offset + read, "grain table", "the file ended while it was read");
            if (tables.Count >= tablesMax) tables.Remove(order.Dequeue());
            tables.Add(offset, table);
            order.Enqueue(offset);
            return table;
        }
    }
}
