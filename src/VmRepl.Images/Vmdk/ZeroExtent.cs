using VmRepl.Blocks;

namespace VmRepl.Images.Vmdk;

/// <summary>An extent of zeros, without a file (Virtual Disk Format 5.0, "The Extent Description").</summary>
internal sealed class ZeroExtent(string path, long start, long length) : VmdkExtent(start, length)
{
    public override void Read(long offset, Span<byte> buffer) => buffer.Clear();

    public override void Write(long offset, ReadOnlySpan<byte> data) => throw new NotSupportedException($"{path}: sector {(Start + offset) / VmdkLayout.SectorBytes} lies in a ZERO extent, which cannot be written");

    public override void Punch(long offset, long length)
    {
    }

    public override void Flush()
    {
    }

    public override IEnumerable<MapExtent> Map(long offset, long length) => [new MapExtent(Start + offset, length, BlockState.Zero)];
}
