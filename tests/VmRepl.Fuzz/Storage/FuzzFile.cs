using VmRepl.Blocks.Files;

namespace VmRepl.Fuzz.Storage;

/// <summary>An open file of a <see cref="FuzzDirectory"/>. Everything a reader asks of it is told to the trial first, which may end it there.</summary>
/// <param name="path">As it was asked for.</param>
/// <param name="number">Its number in the directory, the same for each opener.</param>
/// <param name="bytes">Its contents.</param>
/// <param name="directory">Where it lies.</param>
/// <param name="isReadOnly">Whether it was opened to be read.</param>
public sealed class FuzzFile(string path, ulong number, PagedBytes bytes, FuzzDirectory directory, bool isReadOnly) : IHostFile
{
    public string Path => path;

    public long Length => bytes.Length;

    public bool IsReadOnly => isReadOnly;

    public FileIdentity Identity => new(1, number, bytes.Length, 0, 0);

    public int Read(long offset, Span<byte> buffer)
    {
        directory.Accessed();
        lock (bytes) return bytes.Read(offset, buffer);
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        RequireWritable();
        lock (bytes)
        {
            directory.RequireSpace(bytes, offset, data.Length);
            bytes.Write(offset, data);
        }
    }

    public void SetLength(long length)
    {
        RequireWritable();
        lock (bytes)
        {
            directory.RequireSpace(bytes, length, 0);
            bytes.SetLength(length);
        }
    }

    public bool TryPunch(long offset, long length)
    {
        RequireWritable();
        if (!directory.MakesHoles) return false;
        lock (bytes) bytes.Clear(offset, length);
        return true;
    }

    public bool TryCloneRange(IHostFile source, long sourceOffset, long offset, long length) => false;

    public void Flush() => directory.Accessed();

    public IEnumerable<FileRun> Map(long offset, long length)
    {
        directory.Accessed();
        return bytes.Runs(offset, length).Select(r => new FileRun(r.Offset, r.Length, r.IsHole));
    }

    public void Dispose()
    {
    }

    private void RequireWritable()
    {
        directory.Accessed();
        if (isReadOnly) throw new UnauthorizedAccessException($"{path} is open for reading only");
    }
}
