namespace VmRepl.Journal.Tests.Sharing;

/// <summary>A file system of its own in a sparse file, mounted through a loop device. The test is skipped where that cannot be had: it takes root, loop devices and the file system's own mkfs.</summary>
internal sealed class LoopVolume : IDisposable
{
    // xfsprogs makes none smaller.
    private const long Bytes = 320L << 20;

    private readonly string root = Directory.CreateTempSubdirectory("vmrepl-volume-").FullName;
    private bool isMounted;

    /// <param name="kind">xfs, btrfs or ext4.</param>
    public LoopVolume(string kind)
    {
        try
        {
            ExternalTool.RequireRoot();
            ExternalTool.Require("losetup", $"mkfs.{kind}");
            if (ExternalTool.Try("losetup", "--find") is (not 0, _, var why)) ExternalTool.Skip($"needs a loop device: {why.Trim()}");
            Directory.CreateDirectory(Path);
            using (var file = File.Create(Image)) file.SetLength(Bytes);
            string[] options = kind switch { "xfs" => ["-q", "-m", "reflink=1"], "btrfs" => ["-q"], _ => ["-q", "-F"] };
            Must($"mkfs.{kind}", [.. options, Image]);
            Mount();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Where it is mounted.</summary>
    public string Path => System.IO.Path.Combine(root, "mounted");

    private string Image => System.IO.Path.Combine(root, "image");

    public long FreeBytes => new DriveInfo(Path).AvailableFreeSpace;

    /// <summary>Takes all but so many bytes.</summary>
    public void FillUp(long left) => Must("/usr/bin/fallocate", "-l", $"{FreeBytes - left}", System.IO.Path.Combine(Path, "ballast"));

    /// <summary>What the device holds at this moment, as a machine that stops now would leave it but for the device's own cache.</summary>
    public void KeepDevice() => Must("/bin/cp", "--sparse=always", Image, Image + ".kept");

    /// <summary>Goes back to what was kept: everything that the file system had not yet written is lost.</summary>
    public void LosePower()
    {
        Unmount();
        File.Move(Image + ".kept", Image, overwrite: true);
        Mount();
    }

    /// <summary>Where the blocks of a file lie, 4096 bytes each, by the file's own block number, and whether another file has the same.</summary>
    public static Dictionary<long, (long Physical, bool IsShared)> Blocks(string file)
    {
        var blocks = new Dictionary<long, (long, bool)>();
        // The columns: number, logical range, physical range, length, where it was expected, flags.
        foreach (var columns in Must("/usr/sbin/filefrag", "-v", "-s", "-b4096", file).Split('\n').Select(l => l.Split(':')).Where(c => c.Length > 4 && c[1].Contains("..", StringComparison.Ordinal)))
        {
            var (logical, physical) = (First(columns[1]), First(columns[2]));
            for (var i = 0; i < First(columns[3]); i++) blocks.Add(logical + i, (physical + i, columns[^1].Contains("shared", StringComparison.Ordinal)));
        }

        return blocks;

        static long First(string range) => long.Parse(range.Split("..")[0].Trim(), System.Globalization.CultureInfo.InvariantCulture);
    }

    public void Dispose()
    {
        if (isMounted) Unmount();
        Directory.Delete(root, recursive: true);
    }

    private void Mount()
    {
        var (status, _, error) = ExternalTool.Try("mount", "-o", "loop", Image, Path);
        if (status != 0) ExternalTool.Skip($"needs to mount a file: {error.Trim()}");
        isMounted = true;
    }

    private void Unmount()
    {
        Must("umount", Path);
        isMounted = false;
    }

    private static string Must(string program, params string[] arguments)
    {
        var (status, output, error) = ExternalTool.Try(program, arguments);
        return status == 0 ? output : throw new IOException($"{program} {string.Join(' ', arguments)}: {error}");
    }
}
