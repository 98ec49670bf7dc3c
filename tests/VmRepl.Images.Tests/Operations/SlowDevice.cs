using VmRepl.Blocks;

namespace VmRepl.Images.Tests.Operations;

/// <summary>A disk in memory whose writes take unequal times, so that the pieces of a copy end in another order than they began.</summary>
internal sealed class SlowDevice(byte[] contents, int seed) : IBlockDevice
{
    private int writes;

    public long Length => contents.Length;

    public int SectorSize => Sectors.Size;

    public bool IsReadOnly => false;

    /// <summary>Every read fails from here on.</summary>
    public bool Fails { get; set; }

    public void Read(long offset, Span<byte> buffer)
    {
        if (Fails) throw new IOException("Input/output error");
        contents.AsSpan((int)offset, buffer.Length).CopyTo(buffer);
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        Thread.Sleep(new Random(seed + Interlocked.Increment(ref writes)).Next(4));
        data.CopyTo(contents.AsSpan((int)offset));
    }

    public void Zero(long offset, long length) => contents.AsSpan((int)offset, (int)length).Clear();

    public void Punch(long offset, long length) => Zero(offset, length);

    public void Flush()
    {
    }

    public IEnumerable<MapExtent> Map(long offset, long length) => throw new NotSupportedException();

    public void Dispose()
    {
    }
}
