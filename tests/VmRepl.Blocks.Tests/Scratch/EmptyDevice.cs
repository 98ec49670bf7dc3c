namespace VmRepl.Blocks.Tests.Scratch;

/// <summary>A disk of any length that holds nothing.</summary>
internal sealed class EmptyDevice(long length) : IBlockDevice
{
    public long Length => length;

    public int SectorSize => Sectors.Size;

    public bool IsReadOnly => true;

    public void Read(long offset, Span<byte> buffer) => buffer.Clear();

    public IEnumerable<MapExtent> Map(long offset, long length) => [new MapExtent(offset, length, BlockState.Unallocated)];

    public void Write(long offset, ReadOnlySpan<byte> data) => throw new NotSupportedException();

    public void Zero(long offset, long length) => throw new NotSupportedException();

    public void Punch(long offset, long length) => throw new NotSupportedException();

    public void Flush()
    {
    }

    public void Dispose()
    {
    }
}
