using VmRepl.Blocks.Files;

namespace VmRepl.Journal.Tests.Index.Files;

/// <summary>A directory in memory.</summary>
internal sealed class MemoryDirectory : IHostDirectory
{
    public SortedDictionary<string, MemoryFile> Files { get; } = new(StringComparer.Ordinal);

    public string Path => "memory";

    public bool Exists => true;

    public long FreeBytes => long.MaxValue;

    public IHostFile Open(string name, HostFileAccess access)
    {
        if (access == HostFileAccess.CreateNew) Files.Add(name, new MemoryFile(name));
        return Files.TryGetValue(name, out var file) ? file : throw new FileNotFoundException(name);
    }

    public IHostMemory Map(string name) => throw new NotSupportedException();

    public bool FileExists(string name) => Files.ContainsKey(name);

    public long AllocatedBytes(string name)
    {
        using var file = Open(name, HostFileAccess.Read);
        return file.Length;
    }

    public IReadOnlyList<string> ListFiles() => [.. Files.Keys];

    public IReadOnlyList<string> ListDirectories() => [];

    public IHostDirectory Directory(string name) => throw new NotSupportedException();

    public void Create()
    {
    }

    public void Rename(string from, string to)
    {
        Files[to] = Files[from];
        Files.Remove(from);
        Files[to].Path = to;
    }

    public void Delete(string name) => Files.Remove(name);

    public void DeleteTree() => Files.Clear();

    public void Flush()
    {
    }
}
