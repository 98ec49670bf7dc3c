using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Images;

namespace VmRepl.Replication.Tests.Stage;

/// <summary>An image with one bad sector.</summary>
internal sealed class FailingImage(IDiskImage inner, long badOffset) : IDiskImage
{
    public ImageFormat Format => inner.Format;

    public ImageDescription Description => inner.Description;

    public IReadOnlyList<IHostFile> Files => inner.Files;

    public long Length => inner.Length;

    public int SectorSize => inner.SectorSize;

    public bool IsReadOnly => true;

    public IEnumerable<ImageFinding> Check() => inner.Check();

    public void Read(long offset, Span<byte> buffer)
    {
        if (new Extent(badOffset, 512).Intersect(new Extent(offset, buffer.Length)) is { IsEmpty: false }) throw new IOException($"{inner.Files[0].Path}: cannot be read at {badOffset}: Input/output error");
        inner.Read(offset, buffer);
    }

    public void Write(long offset, ReadOnlySpan<byte> data) => inner.Write(offset, data);

    public void Zero(long offset, long length) => inner.Zero(offset, length);

    public void Punch(long offset, long length) => inner.Punch(offset, length);

    public void Flush() => inner.Flush();

    public IEnumerable<MapExtent> Map(long offset, long length) => inner.Map(offset, length);

    public void Dispose() => inner.Dispose();
}
