using VmRepl.Blocks.Files;

namespace VmRepl.Replication.Tests.Tracking;

/// <summary>A directory whose files' flushes can be held up.</summary>
internal sealed class HeldDirectory(IHostDirectory inner) : IHostDirectory, IDisposable
{
    private readonly ManualResetEventSlim open = new(true);
    private readonly SemaphoreSlim flushing = new(0);

    public string Path => inner.Path;

    public bool Exists => inner.Exists;

    public long FreeBytes => inner.FreeBytes;

    public void Hold() => open.Reset();

    public void LetGo() => open.Set();

    public void WaitForFlush() => Assert.That(flushing.Wait(TimeSpan.FromSeconds(30)), Is.True, "nobody flushes");

    public IHostFile Open(string name, HostFileAccess access) => new HeldFile(inner.Open(name, access), this);

    public IHostMemory Map(string name) => inner.Map(name);

    public bool FileExists(string name) => inner.FileExists(name);

    public long AllocatedBytes(string name) => inner.AllocatedBytes(name);

    public IReadOnlyList<string> ListFiles() => inner.ListFiles();

    public IReadOnlyList<string> ListDirectories() => inner.ListDirectories();

    public IHostDirectory Directory(string name) => inner.Directory(name);

    public void Create() => inner.Create();

    public void Rename(string from, string to) => inner.Rename(from, to);

    public void Delete(string name) => inner.Delete(name);

    public void DeleteTree() => inner.DeleteTree();

    public void Flush() => inner.Flush();

    public void Dispose()
    {
        open.Dispose();
        flushing.Dispose();
    }

    private sealed class HeldFile(IHostFile file, HeldDirectory directory) : IHostFile
    {
        public string Path => file.Path;

        public long Length => file.Length;

        public bool IsReadOnly => file.IsReadOnly;

        public FileIdentity Identity => file.Identity;

        public int Read(long offset, Span<byte> buffer) => file.Read(offset, buffer);

        public void Write(long offset, ReadOnlySpan<byte> data) => file.Write(offset, data);

        public void SetLength(long length) => file.SetLength(length);

        public bool TryPunch(long offset, long length) => file.TryPunch(offset, length);

        public bool TryCloneRange(IHostFile source, long sourceOffset, long offset, long length) => file.TryCloneRange(source, sourceOffset, offset, length);

        public void Flush()
        {
            if (!directory.open.IsSet) directory.flushing.Release();
            directory.open.Wait();
            file.Flush();
        }

        public IEnumerable<FileRun> Map(long offset, long length) => file.Map(offset, length);

        public void Dispose() => file.Dispose();
    }
}
