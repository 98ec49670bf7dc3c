using VmRepl.Blocks.Files;

namespace VmRepl.Journal.Tests.Holes;

/// <summary>A directory on a volume that has no holes and shares no extents.</summary>
internal sealed class HolelessDirectory(IHostDirectory inner) : IHostDirectory
{
    public string Path => inner.Path;

    public bool Exists => inner.Exists;

    public long FreeBytes => inner.FreeBytes;

    public IHostFile Open(string name, HostFileAccess access) => new HolelessFile(inner.Open(name, access));

    public IHostMemory Map(string name) => new HolelessMemory(inner.Map(name));

    public bool FileExists(string name) => inner.FileExists(name);

    public long AllocatedBytes(string name) => inner.AllocatedBytes(name);

    public IReadOnlyList<string> ListFiles() => inner.ListFiles();

    public IReadOnlyList<string> ListDirectories() => inner.ListDirectories();

    public IHostDirectory Directory(string name) => new HolelessDirectory(inner.Directory(name));

    public void Create() => inner.Create();

    public void Rename(string from, string to) => inner.Rename(from, to);

    public void Delete(string name) => inner.Delete(name);

    public void DeleteTree() => inner.DeleteTree();

    public void Flush() => inner.Flush();
}
