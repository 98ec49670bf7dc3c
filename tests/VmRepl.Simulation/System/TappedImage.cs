using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Simulation.System;

/// <summary>A source disk's raw image on a simulated volume; every change is told before it is carried out, whole sectors.</summary>
/// <param name="file">Owned.</param>
/// <param name="changing">The extent and its contents; empty for zeros.</param>
/// <param name="read">Told what was read.</param>
internal sealed class TappedImage(IHostFile file, TappedImage.ChangeHandler changing, TappedImage.ReadHandler read) : IBlockDevice
{
    public delegate void ChangeHandler(Extent extent, ReadOnlySpan<byte> contents);

    public delegate void ReadHandler(long offset, ReadOnlySpan<byte> contents);

    public long Length => file.Length;

    public int SectorSize => Sectors.Size;

    public bool IsReadOnly => false;

    public void Read(long offset, Span<byte> buffer)
    {
        file.ReadExactly(offset, buffer);
        read(offset, buffer);
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        changing(new Extent(offset, data.Length), data);
        file.Write(offset, data);
    }

    public void Zero(long offset, long length)
    {
        changing(new Extent(offset, length), []);
        file.Write(offset, new byte[length]);
    }

    public void Punch(long offset, long length)
    {
        changing(new Extent(offset, length), []);
        if (!file.TryPunch(offset, length)) file.Write(offset, new byte[length]);
    }

    public void Flush() => file.Flush();

    public IEnumerable<MapExtent> Map(long offset, long length) => file.Map(offset, length).Select(r => new MapExtent(r.Offset, r.Length, r.IsHole ? BlockState.Zero : BlockState.Data));

    public void Dispose() => file.Dispose();
}
