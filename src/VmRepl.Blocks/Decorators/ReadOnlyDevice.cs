namespace VmRepl.Blocks.Decorators;

/// <summary>A device that is not written through this, whatever it can. The device below is not its own: disposing does nothing.</summary>
public sealed class ReadOnlyDevice(IBlockDevice below) : IBlockDevice
{
    public long Length => below.Length;

    public int SectorSize => below.SectorSize;

    public bool IsReadOnly => true;

    public void Read(long offset, Span<byte> buffer) => below.Read(offset, buffer);

    public IEnumerable<MapExtent> Map(long offset, long length) => below.Map(offset, length);

    public void Write(long offset, ReadOnlySpan<byte> data) => throw ReadOnly();

    public void Zero(long offset, long length) => throw ReadOnly();

    public void Punch(long offset, long length) => throw ReadOnly();

    /// <summary>Nothing was written through this.</summary>
    public void Flush()
    {
    }

    public void Dispose()
    {
    }

    private static NotSupportedException ReadOnly() => new("this device is read-only");
}
