namespace VmRepl.Blocks;

/// <summary>
/// The one contract for anything with sectors: an image file, the live image, a view, an NBD export. Positioned, synchronous, without a hidden cursor.
/// Callers keep requests inside [0, <see cref="Length"/>); reads may be concurrent, and may run beside writes of other sectors.
/// Offsets and lengths are bytes and need not be aligned. Why synchronous: <c>docs/decisions/0002-synchronous-block-devices.md</c>.
/// </summary>
public interface IBlockDevice : IDisposable
{
    /// <summary>Size of the disk in bytes; a multiple of <see cref="SectorSize"/>.</summary>
    long Length { get; }

    /// <summary>Logical sector size in bytes: 512 or 4096.</summary>
    int SectorSize { get; }

    bool IsReadOnly { get; }

    /// <summary>Fills the whole of <paramref name="buffer"/> from <paramref name="offset"/>.</summary>
    /// <exception cref="IOException">The environment failed.</exception>
    void Read(long offset, Span<byte> buffer);

    /// <exception cref="NotSupportedException">The device is read-only.</exception>
    void Write(long offset, ReadOnlySpan<byte> data);

    /// <summary>Makes the range read as zeros; it may stay allocated.</summary>
    void Zero(long offset, long length);

    /// <summary>Makes the range read as zeros and gives its space back where the container can.</summary>
    void Punch(long offset, long length);

    /// <summary>Everything written before is on stable storage when this returns.</summary>
    void Flush();

    /// <summary>
    /// The allocation of [<paramref name="offset"/>, offset+<paramref name="length"/>): contiguous runs in order that cover the range exactly; neighbours may be of one state.
    /// </summary>
    IEnumerable<MapExtent> Map(long offset, long length);
}
