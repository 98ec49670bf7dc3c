using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>Tables, or pages of one, that are only read, and nobody changes in memory: loaded where they are needed, as many kept as the chain's bound allows. Safe for concurrent use.</summary>
/// <param name="file">Where they stand; not owned.</param>
/// <param name="memory">The chain's.</param>
/// <param name="tableBytes">Bytes of one table.</param>
internal sealed class TableCache(IHostFile file, TableMemory memory, int tableBytes)
{
    private readonly KnownHole holes = new(file);
    private byte[]? empty;

    /// <summary>The table at <paramref name="offset"/>, which lies inside the file.</summary>
    /// <exception cref="ImageFormatException">The file became shorter.</exception>
    public byte[] At(long offset) => At(offset, tableBytes);

    /// <summary>The same, of which only the first <paramref name="length"/> bytes are there.</summary>
    public byte[] At(long offset, int length)
    {
        if (memory.Find<byte[]>(this, offset) is { } known) return known;
        if (length == tableBytes && holes.Contains(offset, length)) return empty ??= new byte[tableBytes];
        var table = new byte[length];
        var read = file.Read(offset, table);
        if (read < table.Length) throw ImageFormatException.Mismatch(file.Path, offset + read, "grain table", $"followed by {table.Length - read} bytes", "cut by the file's end");
        memory.Keep(this, offset, table, length);
        return table;
    }
}
