using System.ComponentModel;
using System.Runtime.InteropServices;

namespace VmRepl.Blocks.Files;

/// <summary>A directory of the host.</summary>
public sealed class HostDirectory(string path) : IHostDirectory
{
    public string Path { get; } = System.IO.Path.GetFullPath(path);

    public bool Exists => System.IO.Directory.Exists(Path);

    public long FreeBytes => new DriveInfo(Path).AvailableFreeSpace;

    public IHostFile Open(string name, HostFileAccess access) => HostFile.Open(In(name), access);

    public IHostMemory Map(string name) => new HostMemory(HostFile.Open(In(name), HostFileAccess.ReadWrite));

    public long AllocatedBytes(string name) => HostFileAllocation.Bytes(In(name));

    public bool FileExists(string name) => File.Exists(In(name));

    public IReadOnlyList<string> ListFiles() => Names(System.IO.Directory.EnumerateFiles(Path));

    public IReadOnlyList<string> ListDirectories() => Names(System.IO.Directory.EnumerateDirectories(Path));

    public IHostDirectory Directory(string name) => new HostDirectory(In(name));

    public void Create() => System.IO.Directory.CreateDirectory(Path);

    public void Rename(string from, string to) => File.Move(In(from), In(to), overwrite: true);

    public void Delete(string name) => File.Delete(In(name));

    public void DeleteTree() => System.IO.Directory.Delete(Path, recursive: true);

    public void Flush()
    {
        // Windows journals directory changes itself and offers no call for it.
        if (!OperatingSystem.IsLinux()) return;
        var descriptor = LibC.Open(Path, 0);
        if (descriptor < 0) throw Failed();
        try
        {
            if (LibC.FSync(descriptor) != 0) throw Failed();
        }
        finally
        {
            _ = LibC.Close(descriptor);
        }
    }

    private static string[] Names(IEnumerable<string> paths) => [.. paths.Select(p => System.IO.Path.GetFileName(p)).Order(StringComparer.Ordinal)];

    private string In(string name)
    {
        if (name.Length == 0 || name is "." or ".." || name.AsSpan().ContainsAny('/', '\\', '\0'))
            throw new ArgumentException($"\"{name}\" is not a single file name", nameof(name));
        return System.IO.Path.Combine(Path, name);
    }

    private IOException Failed()
    {
        var cause = new Win32Exception(Marshal.GetLastPInvokeError());
        return new IOException($"{Path}: the directory cannot be made durable: {cause.Message}", cause);
    }
}
