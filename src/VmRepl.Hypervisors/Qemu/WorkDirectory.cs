using System.Globalization;

namespace VmRepl.Hypervisors.Qemu;

/// <summary>A directory for one VM, readable to us alone, named after our process. What a process that was killed left behind is removed when the next one is made beside it.</summary>
public sealed class WorkDirectory : IDisposable
{
    private const string Prefix = "vmrepl-boot-";

    private WorkDirectory(string path) => Path = path;

    public string Path { get; }

    /// <param name="parent">An existing directory; its path has to be short (a Unix socket's is 107 bytes at most).</param>
    public static WorkDirectory Create(string parent)
    {
        foreach (var old in Directory.EnumerateDirectories(parent, Prefix + "*"))
        {
            var parts = System.IO.Path.GetFileName(old)[Prefix.Length..].Split('-');
            if (OperatingSystem.IsLinux() && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var id) && !Directory.Exists($"/proc/{parts[0]}") && id > 0) Remove(old);
        }

        var wanted = System.IO.Path.Combine(parent, $"{Prefix}{Environment.ProcessId.ToString(CultureInfo.InvariantCulture)}-{Guid.NewGuid().ToString("N")[..8]}");
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(wanted);
        else Directory.CreateDirectory(wanted, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return new WorkDirectory(wanted);
    }

    public void Dispose() => Remove(Path);

    private static void Remove(string path)
    {
        try
        {
            Directory.Delete(path, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Another user's, or gone meanwhile: not ours to insist on.
        }
    }
}
