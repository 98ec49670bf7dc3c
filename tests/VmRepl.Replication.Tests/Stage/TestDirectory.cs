using VmRepl.Blocks.Files;

namespace VmRepl.Replication.Tests.Stage;

/// <summary>A directory that is gone after the test; in memory where the system has such a place, since these tests make thousands of stores.</summary>
internal sealed class TestDirectory : IDisposable
{
    private const string InMemory = "/dev/shm";

    public TestDirectory(TestDirectory? within = null)
    {
        var root = within?.Path ?? (Directory.Exists(InMemory) ? InMemory : System.IO.Path.GetTempPath());
        Path = System.IO.Path.Combine(root, $"vmrepl-{Guid.NewGuid():n}");
        Directory.CreateDirectory(Path);
    }

    public string Path { get; }

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public HostDirectory Host(string name) => new(File(name));

    /// <summary>Copies a tree as it is at this moment, which is what a killed process or a backup leaves. Holes stay holes.</summary>
    public void CopyTree(string from, string to) => Copy(new DirectoryInfo(File(from)), File(to));

    public void Dispose() => Directory.Delete(Path, recursive: true);

    private static void Copy(DirectoryInfo from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in from.GetFiles()) CopyFile(file, System.IO.Path.Combine(to, file.Name));
        foreach (var below in from.GetDirectories()) Copy(below, System.IO.Path.Combine(to, below.Name));
    }

    private static void CopyFile(FileInfo from, string to)
    {
        using var source = HostFile.Open(from.FullName, HostFileAccess.Read);
        using var target = HostFile.Open(to, HostFileAccess.CreateNew);
        target.SetLength(source.Length);
        foreach (var run in source.Map(0, source.Length).Where(r => !r.IsHole))
        {
            var contents = new byte[run.Length];
            source.ReadExactly(run.Offset, contents);
            target.Write(run.Offset, contents);
        }
    }
}
