using VmRepl.Blocks.Files;

namespace VmRepl.Blocks;

/// <summary>
/// A device that may also offer this: its bytes lie one to one, in one range, in a file of the host, so that they can share extents with other files of the same volume
/// where the volume can (XFS made with reflink, btrfs). Whether it can is known only from the answers.
/// </summary>
public interface IHostBacked
{
    /// <summary>Where the disk's first byte lies in the file, bytes. What is cloned has to be aligned to the volume's block there, not in the disk.</summary>
    long HostOffset { get; }

    /// <summary>
    /// Lets [<paramref name="targetOffset"/>, + <paramref name="length"/>) of <paramref name="target"/> share what the disk holds from <paramref name="offset"/> on. Durable with the target's next flush.
    /// False, with nothing done, where the volume cannot.
    /// </summary>
    /// <exception cref="IOException">The environment failed; the target range may hold anything.</exception>
    bool TryCloneTo(IHostFile target, long targetOffset, long offset, long length);

    /// <summary>As a write of what <paramref name="source"/> holds from <paramref name="sourceOffset"/> on. Durable with this device's next flush. False, with nothing done, where the volume cannot.</summary>
    /// <exception cref="IOException">The environment failed; the range of the disk may hold anything.</exception>
    bool TryCloneFrom(IHostFile source, long sourceOffset, long offset, long length);

    /// <summary>As <see cref="IBlockDevice.Write"/> of the parts one after the other, for much data: see <see cref="IHostFile.WriteAroundCache"/>.</summary>
    void WriteAroundCache(long offset, IReadOnlyList<ReadOnlyMemory<byte>> parts);

    /// <summary>Waits for such writes, so that other openers of the file see them as well.</summary>
    void FinishWrites();

    /// <summary>Lets the host begin to write back a range that was written: the flush that follows waits less. Promises nothing.</summary>
    void BeginWriteBack(long offset, long length);
}
