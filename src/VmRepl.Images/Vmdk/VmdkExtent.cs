using VmRepl.Blocks;

namespace VmRepl.Images.Vmdk;

/// <summary>One extent of a disk. Offsets are bytes from the extent's own start, and requests stay inside it.</summary>
internal abstract class VmdkExtent(long start, long length)
{
    /// <summary>Where it begins in the disk, bytes.</summary>
    public long Start { get; } = start;

    public long Length { get; } = length;

    public long End => Start + Length;

    public abstract void Read(long offset, Span<byte> buffer);

    public abstract void Write(long offset, ReadOnlySpan<byte> data);

    public abstract void Punch(long offset, long length);

    public abstract void Flush();

    /// <summary>Runs in the disk's own offsets.</summary>
    public abstract IEnumerable<MapExtent> Map(long offset, long length);

    public virtual IEnumerable<ImageFinding> Check() => [];

    /// <summary>Makes the extent longer, durably, after a <see cref="Close"/>; the one returned takes this one's place.</summary>
    /// <param name="length">Bytes, more than now.</param>
    /// <exception cref="NotSupportedException">An extent of this kind cannot grow.</exception>
    public virtual VmdkExtent Grown(long length) => throw new NotSupportedException("an extent of this kind cannot grow");

    /// <summary>Ends a writing session: after a flush, marks the file as cleanly closed.</summary>
    public virtual void Close()
    {
    }
}
