using VmRepl.Blocks;

namespace VmRepl.Journal.Tests.Views;

/// <summary>A disk in memory, to be read only.</summary>
internal sealed class MemoryDevice(byte[] contents) : IBlockDevice
{
    public long Length => contents.Length;

    public int SectorSize => Sectors.Size;

    public bool IsReadOnly => true;

    public void Read(long offset, Span<byte> buffer) => contents.AsSpan((int)offset, buffer.Length).CopyTo(buffer);

    public void Write(long offset, ReadOnlySpan<byte> data) => throw new NotSupportedException();

    public void Zero(long offset, long length) => throw new NotSupportedException();

    public void Punch(long offset, long length) => throw new NotSupportedException();

    public void Flush()
    {
    }

    public IEnumerable<MapExtent> Map(long offset, long length) => throw new NotSupportedException();

    public void Dispose()
    {
    }
}
