namespace VmRepl.Blocks.Files;

/// <summary>
/// A file as the journal and the image formats need it: positioned, sparse, with durability asked for and not assumed.
/// The simulation has one of its own, so nothing above this interface touches the host's files directly.
/// Safe for concurrent positioned reads and writes of different ranges.
/// </summary>
public interface IHostFile : IDisposable
{
    /// <summary>The name it was opened by, for messages.</summary>
    string Path { get; }

    /// <summary>Present length in bytes.</summary>
    long Length { get; }

    bool IsReadOnly { get; }

    /// <summary>Reads until the buffer is full or the file ends; returns the bytes read.</summary>
    int Read(long offset, Span<byte> buffer);

    /// <summary>Writes all of <paramref name="data"/>; the file grows, with a hole if need be.</summary>
    void Write(long offset, ReadOnlySpan<byte> data);

    /// <summary>Writes <paramref name="parts"/> one after the other from <paramref name="offset"/> on, as one call to the host where it can.</summary>
    void Write(long offset, IReadOnlyList<ReadOnlyMemory<byte>> parts)
    {
        foreach (var part in parts)
        {
            Write(offset, part.Span);
            offset += part.Length;
        }
    }

    /// <summary>From this size on the copy into the page cache costs more than it saves, even where what is written may be read soon.</summary>
    const long AroundCacheBytesMin = 1 << 20;

    /// <summary>
    /// As <see cref="Write(long, IReadOnlyList{ReadOnlyMemory{byte}})"/>, for much data that nobody is about to read: it need not go through the host's page cache, where the host can do without, which
    /// spares the copy and leaves the cache to others. For <see cref="AroundCacheBytesMin"/> and more; for less, where nobody reads it soon.
    /// </summary>
    void WriteAroundCache(long offset, IReadOnlyList<ReadOnlyMemory<byte>> parts) => Write(offset, parts);

    /// <summary>Reads through this opener leave the time of the last read as it is, where the host can do without: it costs each of them, and nobody asks for it of a file that is ours alone.</summary>
    void LeaveReadTime()
    {
    }

    /// <summary>Waits for what <see cref="WriteAroundCache"/> began, so that other openers of the file see it as well.</summary>
    void FinishWrites()
    {
    }

    void SetLength(long length);

    /// <summary>Frees [<paramref name="offset"/>, offset+<paramref name="length"/>), which then reads as zeros; the file's length stays. False, with nothing done, where the volume cannot.</summary>
    bool TryPunch(long offset, long length);

    /// <summary>
    /// Takes space for a range that is about to be written in one piece; what is not written of it reads as zeros, and the length stays. On ext4 that makes large writes into holes
    /// cheaper by a third, since the kernel then need not reserve page by page. False, with nothing done, where the volume cannot.
    /// </summary>
    bool TryReserve(long offset, long length) => false;

    /// <summary>
    /// Asks the host to begin writing back what was written to the range, and waits for nothing: a later <see cref="Flush"/> then finds less left to do.
    /// It promises nothing about durability and reports no failure; the flush does both.
    /// </summary>
    void BeginWriteBack(long offset, long length)
    {
    }

    /// <summary>Shares the extents of <paramref name="source"/> instead of copying. False, with nothing done, where the volume cannot; both offsets and the length are multiples of the volume's block.</summary>
    bool TryCloneRange(IHostFile source, long sourceOffset, long offset, long length);

    /// <summary>What was written before, and the length needed to read it, is on stable storage when this returns (fdatasync). A failure is final: the file must not be trusted after it.</summary>
    void Flush();

    /// <summary>Data and holes of the range, in order, covering it exactly up to the file's end. All data where the volume cannot tell.</summary>
    IEnumerable<FileRun> Map(long offset, long length);

    /// <summary>Identity, size and times as of now.</summary>
    FileIdentity Identity { get; }

    /// <summary>Whether another opener holds a lock on the byte at <paramref name="offset"/> (Linux open-file-description locks, which QEMU uses). False where the system has none.</summary>
    bool IsLockedByOther(long offset) => false;
}
