using VmRepl.Blocks.Files;

namespace VmRepl.Journal.Tests.Index.Files;

/// <summary>A file in memory whose bytes a test may change; counts what is read.</summary>
internal sealed class MemoryFile(string path) : IHostFile
{
    private byte[] bytes = [];

    public string Path { get; set; } = path;

    public long Length { get; private set; }

    public bool IsReadOnly => false;

    public int Reads { get; set; }

    public Span<byte> Bytes => bytes.AsSpan(0, (int)Length);

    public FileIdentity Identity => throw new NotSupportedException();

    public int Read(long offset, Span<byte> buffer)
    {
        Reads++;
        var count = (int)Math.Clamp(Length - offset, 0, buffer.Length);
        bytes.AsSpan((int)Math.Min(offset, Length), count).CopyTo(buffer);
        return count;
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        var end = offset + data.Length;
        if (end > bytes.Length) Array.Resize(ref bytes, (int)Math.Max(end, 2L * bytes.Length));
        data.CopyTo(bytes.AsSpan((int)offset));
        Length = Math.Max(Length, end);
    }

    public void SetLength(long length)
    {
        if (length > bytes.Length) Array.Resize(ref bytes, (int)length);
        if (length < Length) bytes.AsSpan((int)length).Clear();
        Length = length;
    }

    public bool TryPunch(long offset, long length) => false;

    public bool TryCloneRange(IHostFile source, long sourceOffset, long offset, long length) => false;

    public void Flush()
    {
    }

    public IEnumerable<FileRun> Map(long offset, long length) => throw new NotSupportedException();

    public void Dispose()
    {
    }
}
