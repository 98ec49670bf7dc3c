using System.Runtime.Versioning;

namespace VmRepl.Blocks.Files;

/// <summary>Lists a directory with what a look from outside tells of each name, by one call of the system each.</summary>
public static class DirectoryListing
{
    /// <summary>Everything in it, itself and its parent left out.</summary>
    /// <exception cref="IOException">It cannot be listed.</exception>
    public static IReadOnlyList<DirectoryEntry> Read(string directory)
    {
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(directory).Select(Look)];
        }
        catch (UnauthorizedAccessException e)
        {
            throw new IOException(e.Message, e);
        }
    }

    /// <summary>What stands under a full path now. A link on the way there is followed, one that stands there is not.</summary>
    public static DirectoryEntry Look(string path) => OperatingSystem.IsLinux() ? OnLinux(path) : Elsewhere(path);

    [SupportedOSPlatform("linux")]
    private static DirectoryEntry OnLinux(string path)
    {
        const int currentDirectory = -100, noFollow = 0x100;
        const uint basicStats = 0x7ff;
        var name = Path.GetFileName(path);
        if (LibC.StatX(currentDirectory, path, noFollow, basicStats, out var stat) != 0) return new DirectoryEntry(name, EntryKind.Unknown, default);
        // inode(7), "The file type and mode".
        var kind = (stat.Mode & 0xF000) switch { 0x8000 => EntryKind.File, 0x4000 => EntryKind.Directory, 0xA000 => EntryKind.SymbolicLink, _ => EntryKind.Special };
        return new DirectoryEntry(name, kind, new FileIdentity(((ulong)stat.DeviceMajor << 32) | stat.DeviceMinor, stat.Inode, (long)stat.Size, stat.Modified.Ns, stat.Changed.Ns));
    }

    private static DirectoryEntry Elsewhere(string path)
    {
        var name = Path.GetFileName(path);
        try
        {
            var attributes = File.GetAttributes(path);
            var kind = (attributes & FileAttributes.ReparsePoint) != 0 ? EntryKind.SymbolicLink
                : (attributes & FileAttributes.Directory) != 0 ? EntryKind.Directory
                : (attributes & FileAttributes.Device) != 0 ? EntryKind.Special : EntryKind.File;
            if (kind != EntryKind.File) return new DirectoryEntry(name, kind, default);
            using var file = HostFile.Open(path, HostFileAccess.Read);
            return new DirectoryEntry(name, kind, file.Identity);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new DirectoryEntry(name, EntryKind.Unknown, default);
        }
    }
}
