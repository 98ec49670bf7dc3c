namespace VmRepl.Blocks.Files;

/// <summary>What a file costs on its volume.</summary>
public static class HostFileAllocation
{
    private const int CurrentDirectory = -100;
    private const uint BlocksMask = 0x400;
    private const int BlockBytes = 512;

    /// <summary>Bytes that the volume has set aside for <paramref name="path"/>, holes not counted; its length where the system does not say.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public static long Bytes(string path)
    {
        if (OperatingSystem.IsLinux() && LibC.StatX(CurrentDirectory, path, 0, BlocksMask, out var stat) == 0) return checked((long)stat.Blocks * BlockBytes);
        return new FileInfo(path).Length;
    }
}
