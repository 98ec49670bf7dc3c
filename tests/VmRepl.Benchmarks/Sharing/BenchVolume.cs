namespace VmRepl.Benchmarks.Sharing;

/// <summary>A file system of its own on a loop device over a file whose space is taken beforehand. Needs root.</summary>
internal sealed class BenchVolume : IDisposable
{
    private const string Bytes = "1G";

    private readonly string image;

    public BenchVolume(string directory, string kind)
    {
        image = Path.Combine(directory, "image");
        MountPoint = Path.Combine(directory, "mounted");
        Directory.CreateDirectory(MountPoint);
        CommandLineTool.Run("fallocate", "-l", Bytes, image);
        string[] options = kind switch { "xfs" => ["-q", "-m", "reflink=1"], "btrfs" => ["-q", "-f"], _ => ["-q", "-F"] };
        CommandLineTool.Run([$"/sbin/mkfs.{kind}", .. options, image]);
        CommandLineTool.Run("mount", "-o", "loop", image, MountPoint);
    }

    public string MountPoint { get; }

    /// <summary>As statvfs says it, everything written back before.</summary>
    public long FreeBytes
    {
        get
        {
            CommandLineTool.Run("sync", "-f", MountPoint);
            return new DriveInfo(MountPoint).AvailableFreeSpace;
        }
    }

    /// <summary>What the file system wrote to its device since it was mounted.</summary>
    public long WrittenBytes
    {
        get
        {
            const int sectorsWritten = 6;
            var device = CommandLineTool.Run("findmnt", "-n", "-o", "SOURCE", MountPoint).Trim();
            return long.Parse(File.ReadAllText($"/sys/block/{Path.GetFileName(device)}/stat").Split(' ', StringSplitOptions.RemoveEmptyEntries)[sectorsWritten], System.Globalization.CultureInfo.InvariantCulture) * 512;
        }
    }

    /// <summary>Nothing of it is in the page cache afterwards.</summary>
    public void Remount()
    {
        CommandLineTool.Run("umount", MountPoint);
        CommandLineTool.Run("mount", "-o", "loop", image, MountPoint);
    }

    public void Dispose()
    {
        CommandLineTool.Run("umount", MountPoint);
        File.Delete(image);
        Directory.Delete(MountPoint);
    }
}
