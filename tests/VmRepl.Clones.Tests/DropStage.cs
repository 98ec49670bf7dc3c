using VmRepl.Blocks.Files;
using VmRepl.Clones.Drops;
using VmRepl.Clones.Matching;
using VmRepl.Images;

namespace VmRepl.Clones.Tests;

/// <summary>A drop directory, and beside it a directory with protected disks.</summary>
internal sealed class DropStage : IDisposable
{
    public const int MiB = 1 << 20;

    private readonly string root = Directory.CreateTempSubdirectory("vmrepl-drops-").FullName;

    public DropStage()
    {
        Directory.CreateDirectory(Drops);
        Directory.CreateDirectory(Vms);
    }

    public string Drops => Path.Combine(root, "drops");

    public string Vms => Path.Combine(root, "vms");

    public HostDirectory State => new(Path.Combine(root, "state"));

    public FakeDisks Disks { get; } = new();

    public string Drop(string name) => Path.Combine(Drops, name);

    /// <summary>Contents of 8 MiB with a partition table's signature, half of them data.</summary>
    public static byte[] Contents(int seed)
    {
        var contents = new byte[8 * MiB];
        var random = new Random(seed);
        for (var at = 0; at < contents.Length; at += 2 * MiB) random.NextBytes(contents.AsSpan(at, MiB));
        (contents[510], contents[511]) = (0x55, 0xAA);
        return contents;
    }

    /// <summary>Makes an image with these contents; what is zero is left out.</summary>
    public static string Make(string path, byte[] contents, ImageFormat format = ImageFormat.Raw)
    {
        using var image = DiskImages.Create(path, format, contents.Length);
        for (var at = 0; at < contents.Length; at += MiB)
        {
            var piece = contents.AsSpan(at, Math.Min(MiB, contents.Length - at));
            if (piece.ContainsAnyExcept((byte)0)) image.Write(at, piece);
        }

        image.Flush();
        return path;
    }

    /// <summary>Protects a disk of a group.</summary>
    public ProtectedDisk Protect(string group, byte[] contents, ImageFormat format = ImageFormat.Raw)
    {
        var disk = new ProtectedDisk(group, "sda", Make(Path.Combine(Vms, group), contents, format), format, contents.Length, []);
        Disks.Disks.Add(disk);
        return disk;
    }

    /// <summary>What is in the drop directory, as new.</summary>
    public DroppedFile Seen(string name) => DropScan.Look([], Drops, DirectoryListing.Read(Drops), DateTimeOffset.UtcNow, NewName).Single(f => f.Name == name);

    /// <summary>Looks at one file of the drop directory.</summary>
    public DroppedFile Examine(string name, params DroppedFile[] earlier) => new DropExaminer(Disks, BaseFiles.Of(Disks.List()), earlier).Examine(Seen(name));

    public static string NewName() => Protocol.Names.CloneGroupName.Of(Guid.NewGuid());

    public void Dispose() => Directory.Delete(root, recursive: true);
}
