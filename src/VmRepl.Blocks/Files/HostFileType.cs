namespace VmRepl.Blocks.Files;

/// <summary>Tells a regular file from a device, pipe or socket without opening it.</summary>
public static class HostFileType
{
    /// <summary>Whether <paramref name="path"/>, links followed, is a regular file. On Windows every file that is no device is.</summary>
    public static bool IsRegular(string path)
    {
        const int currentDirectory = -100;
        const uint typeMask = 1;
        const int format = 0xF000, regular = 0x8000;
        if (!OperatingSystem.IsLinux()) return File.Exists(path) && (File.GetAttributes(path) & FileAttributes.Device) == 0;
        return LibC.StatX(currentDirectory, path, 0, typeMask, out var stat) == 0 && (stat.Mode & format) == regular;
    }
}
