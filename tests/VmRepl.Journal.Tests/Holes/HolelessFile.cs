using VmRepl.Blocks.Files;

namespace VmRepl.Journal.Tests.Holes;

/// <summary>A file on such a volume: nothing can be punched, and everything is data.</summary>
internal sealed class HolelessFile(IHostFile inner) : IHostFile
{
    public string Path => inner.Path;

    public long Length => inner.Length;

    public bool IsReadOnly => inner.IsReadOnly;

    public FileIdentity Identity => inner.Identity;

    public int Read(long offset, Span<byte> buffer) => inner.Read(offset, buffer);

    public void Write(long offset, ReadOnlySpan<byte> data) => inner.Write(offset, data);

    public void SetLength(long length) => inner.SetLength(length);

    public bool TryPunch(long offset, long length) => false;

    public bool TryCloneRange(IHostFile source, long sourceOffset, long offset, long length) => false;

    public void Flush() => inner.Flush();

    public IEnumerable<FileRun> Map(long offset, long length)
    {
        var end = Math.Min(offset + length, Length);
        if (offset < end) yield return new FileRun(offset, end - offset, false);
    }

    public void Dispose() => inner.Dispose();
}
