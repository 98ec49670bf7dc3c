using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Tests.Opening;

/// <summary>The host's files, opened for reading only, with a count of what was asked of them.</summary>
internal sealed class CountedFiles : IImageFiles
{
    public long BytesRead { get; private set; }

    /// <summary>How often a file's allocation was asked for; each is two or three system calls.</summary>
    public long Maps { get; private set; }

    public IHostFile Open(string path, HostFileAccess access) => new Counted(HostImageFiles.Instance.Open(path, access), this);

    private sealed class Counted(IHostFile file, CountedFiles counts) : IHostFile
    {
        public string Path => file.Path;

        public long Length => file.Length;

        public bool IsReadOnly => file.IsReadOnly;

        public FileIdentity Identity => file.Identity;

        public int Read(long offset, Span<byte> buffer)
        {
            counts.BytesRead += buffer.Length;
            return file.Read(offset, buffer);
        }

        public IEnumerable<FileRun> Map(long offset, long length)
        {
            counts.Maps++;
            return file.Map(offset, length);
        }

        public void Write(long offset, ReadOnlySpan<byte> data) => throw new NotSupportedException();

        public void SetLength(long length) => throw new NotSupportedException();

        public bool TryPunch(long offset, long length) => throw new NotSupportedException();

        public bool TryCloneRange(IHostFile source, long sourceOffset, long offset, long length) => throw new NotSupportedException();

        public void Flush() => throw new NotSupportedException();

        public void Dispose() => file.Dispose();
    }
}
