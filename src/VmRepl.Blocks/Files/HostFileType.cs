namespace VmRepl.Blocks.Files;

/// <summary>Tells a regular file from a device, pipe or socket without opening it.</summary>
public static class HostFileType
{
    /// <summary>Whether <paramref name="path"/>, links followed, is a regular file. On Windows every file that is no device is.</summary>
    public static bool IsRegular(string path)
    {
        if (!OperatingSystem.IsLinux()) return File.Exists(path) && (File.GetAttributes(path) & FileAttributes.Device) == 0;
        return Is(path, 0x8000);
    }

    /// <summary>Whether <paramref name="path"/>, links followed, is a block device. Only Linux has such files.</summary>
    public static bool IsBlockDevice(string path) => OperatingSystem.IsLinux() && Is(path, 0x6000);

    /// <summary>inode(7), "The file type and mode".</summary>
    [System.Runtime.Versioning.SupportedOSPlatform("linux")]
    private static bool Is(string path, int type)
    {
        const int currentDirectory = -100;
        const uint typeMask = 1;
        const int format = 0xF000;
        return LibC.StatX(currentDirectory, path, 0, typeMask, out var stat) == 0 && (stat.Mode & format) == type;
    }
}
