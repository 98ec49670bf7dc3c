using VmRepl.Blocks.Files;

namespace VmRepl.Journal.Tests.Segments;

/// <summary>A file in which every byte is one number. A read that begins or ends after the file was closed is counted and fails: the host's descriptor may be another file's by then.</summary>
internal sealed class CountedFile(CountedFiles files, byte number) : IHostFile
{
    // Long enough for somebody else to close it in between, by processor loops.
    private const int ReadSpins = 20;

    private int closes;

    public string Path => $"{number}";

    public long Length => long.MaxValue;

    public bool IsReadOnly => true;

    public FileIdentity Identity => throw new NotSupportedException();

    public bool IsClosed => Volatile.Read(ref closes) > 0;

    public int Read(long offset, Span<byte> buffer)
    {
        ThrowIfClosed();
        Thread.SpinWait(ReadSpins);
        buffer.Fill(number);
        ThrowIfClosed();
        return buffer.Length;
    }

    public void Write(long offset, ReadOnlySpan<byte> data) => throw new NotSupportedException();

    public void SetLength(long length) => throw new NotSupportedException();

    public bool TryPunch(long offset, long length) => throw new NotSupportedException();

    public bool TryCloneRange(IHostFile source, long sourceOffset, long offset, long length) => throw new NotSupportedException();

    public void Flush() => throw new NotSupportedException();

    public IEnumerable<FileRun> Map(long offset, long length) => throw new NotSupportedException();

    public void Dispose()
    {
        if (Interlocked.Increment(ref closes) == 1) files.CountClosed();
        else files.CountClosedAgain();
    }

    private void ThrowIfClosed()
    {
        if (!IsClosed) return;
        files.CountUseAfterClose();
        throw new ObjectDisposedException(Path);
    }
}
