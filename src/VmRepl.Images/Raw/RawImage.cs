using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Raw;

/// <summary>A raw disk image. A file that is no multiple of the sector is padded with zeros to one, as QEMU does; the padding cannot be written.</summary>
/// <param name="file">Owned.</param>
/// <param name="sectorSize">Logical sector in bytes.</param>
/// <param name="isNew">Whether the file was made just now and is all hole.</param>
internal sealed class RawImage(IHostFile file, int sectorSize = Sectors.Size, bool isNew = false) : IDiskImage, IQuickZero
{
    /// <summary>Writes into holes from this size on take their space first; below it the extra call costs more than it saves.</summary>
    private const int ReserveBytesMin = 256 << 10;

    private long fileLength = file.Length;

    // The volume was asked for a hole and made none. Nobody knows before the first one.
    private volatile bool isRefusingHoles;

    public ImageFormat Format => ImageFormat.Raw;

    public ImageDescription Description { get; } = new();

    public IReadOnlyList<IHostFile> Files { get; } = [file];

    public long Length => Sectors.AlignUp(fileLength, Sectors.Size);

    public int SectorSize => sectorSize;

    public bool IsReadOnly => file.IsReadOnly;

    public void Read(long offset, Span<byte> buffer)
    {
        var inFile = (int)Math.Clamp(fileLength - offset, 0, buffer.Length);
        file.ReadExactly(offset, buffer[..inFile]);
        buffer[inFile..].Clear();
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        if (IsReadOnly) throw new NotSupportedException($"{file.Path} is open for reading only");
        if (data.Length > fileLength - offset) throw new IOException($"{file.Path}: a write of {data.Length} bytes at {offset} passes the file's end at {fileLength}");
        if (isNew && data.Length >= ReserveBytesMin) file.TryReserve(offset, data.Length);
        file.Write(offset, data);
    }

    /// <summary>A file that was made just now stays thin; in another the range keeps its space, or takes it.</summary>
    public void Zero(long offset, long length)
    {
        Punch(offset, length);
        length = Math.Min(length, fileLength - offset);
        if (!isNew && length > 0 && !isRefusingHoles) file.TryReserve(offset, length);
    }

    public bool IsZeroQuick(long offset, long length) => !IsReadOnly && !isRefusingHoles;

    public bool IsPunchQuick(long offset, long length) => !IsReadOnly && !isRefusingHoles;

    public void Punch(long offset, long length)
    {
        if (IsReadOnly) throw new NotSupportedException($"{file.Path} is open for reading only");
        // The padding reads as zeros anyway, and zeros written there would make the file longer.
        length = Math.Min(length, fileLength - offset);
        if (!file.Clear(offset, length)) isRefusingHoles = true;
    }

    public void Flush() => file.Flush();

    public bool HasUnwritten => false;

    public void Resize(long length)
    {
        if (IsReadOnly) throw new NotSupportedException($"{file.Path} is open for reading only");
        file.SetLength(length);
        file.Flush();
        fileLength = length;
    }

    public IEnumerable<MapExtent> Map(long offset, long length)
    {
        var at = offset;
        foreach (var run in file.Map(offset, length))
        {
            yield return new MapExtent(run.Offset, run.Length, run.IsHole ? BlockState.Unallocated : BlockState.Data, 0, run.Offset);
            at = run.End;
        }

        if (at < offset + length) yield return new MapExtent(at, offset + length - at, BlockState.Unallocated);
    }

    public IEnumerable<ImageFinding> Check() => [];

    public void Dispose() => file.Dispose();
}
