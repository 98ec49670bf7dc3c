using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Images.LiveContainer;

namespace VmRepl.Journal.Scrub;

/// <summary>A live image whose region digests are forgotten before anything writes the region, whoever writes it, and are durable when it is flushed.</summary>
internal sealed class DigestedImage(LiveImageFile image, RegionDigests digests) : IBlockDevice, IHostBacked
{
    public RegionDigests Digests => digests;

    public string Path => image.File.Path;

    /// <summary>Where the disk's first byte lies in the file.</summary>
    public long PayloadOffset => image.PayloadOffset;

    public long Length => image.Length;

    public int SectorSize => image.SectorSize;

    public long HostOffset => image.HostOffset;

    public bool IsReadOnly => image.IsReadOnly;

    public void Read(long offset, Span<byte> buffer) => image.Read(offset, buffer);

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        var extent = new Extent(offset, data.Length);
        digests.BeginWrite(extent);
        try
        {
            image.Write(offset, data);
        }
        finally
        {
            digests.EndWrite(extent);
        }
    }

    public void WriteAroundCache(long offset, IReadOnlyList<ReadOnlyMemory<byte>> parts)
    {
        var extent = new Extent(offset, parts.Sum(p => (long)p.Length));
        digests.BeginWrite(extent);
        try
        {
            image.WriteAroundCache(offset, parts);
        }
        finally
        {
            digests.EndWrite(extent);
        }
    }

    public void FinishWrites() => image.FinishWrites();

    public void Zero(long offset, long length)
    {
        var extent = new Extent(offset, length);
        digests.BeginWrite(extent);
        try
        {
            image.Zero(offset, length);
        }
        finally
        {
            digests.EndWrite(extent);
        }
    }

    public void Punch(long offset, long length)
    {
        var extent = new Extent(offset, length);
        digests.BeginWrite(extent);
        try
        {
            image.Punch(offset, length);
        }
        finally
        {
            digests.EndWrite(extent);
        }
    }

    public bool TryCloneTo(IHostFile target, long targetOffset, long offset, long length) => image.TryCloneTo(target, targetOffset, offset, length);

    public bool TryCloneFrom(IHostFile source, long sourceOffset, long offset, long length)
    {
        var extent = new Extent(offset, length);
        digests.BeginWrite(extent);
        try
        {
            return image.TryCloneFrom(source, sourceOffset, offset, length);
        }
        finally
        {
            digests.EndWrite(extent);
        }
    }

    /// <inheritdoc cref="LiveImageFile.BeginWriteBack"/>
    public void BeginWriteBack(long offset, long length) => image.BeginWriteBack(offset, length);

    public void Flush()
    {
        image.Flush();
        digests.Flush();
    }

    public IEnumerable<MapExtent> Map(long offset, long length) => image.Map(offset, length);

    public void Dispose()
    {
        digests.Dispose();
        image.Dispose();
    }
}
