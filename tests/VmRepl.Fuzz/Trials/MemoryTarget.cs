using VmRepl.Blocks;

namespace VmRepl.Fuzz.Trials;

/// <summary>A disk in memory that a mutant is copied to. Safe for concurrent use, as copying needs it.</summary>
internal sealed class MemoryTarget(long length, int sectorSize) : IBlockDevice
{
    private readonly Storage.PagedBytes bytes = Empty(length);

    public long Length => length;

    public int SectorSize => sectorSize;

    public bool IsReadOnly => false;

    public void Read(long offset, Span<byte> buffer)
    {
        lock (bytes) bytes.Read(offset, buffer);
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        lock (bytes) bytes.Write(offset, data);
    }

    public void Zero(long offset, long count)
    {
        lock (bytes) bytes.Clear(offset, count);
    }

    public void Punch(long offset, long count) => Zero(offset, count);

    public void Flush()
    {
    }

    public IEnumerable<MapExtent> Map(long offset, long count) =>
        bytes.Runs(offset, count).Select(r => new MapExtent(r.Offset, r.Length, r.IsHole ? BlockState.Unallocated : BlockState.Data, 0, r.IsHole ? -1 : r.Offset));

    public void Dispose()
    {
    }

    private static Storage.PagedBytes Empty(long length)
    {
        var empty = new Storage.PagedBytes([]);
        empty.SetLength(length);
        return empty;
    }
}
