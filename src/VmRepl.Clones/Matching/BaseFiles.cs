using VmRepl.Blocks.Files;
using VmRepl.Images;
using VmRepl.Images.Opening;

namespace VmRepl.Clones.Matching;

/// <summary>The files that protected disks consist of, as they are at one moment: the only ones outside a drop directory that a dropped image may stand on.</summary>
public sealed class BaseFiles
{
    private readonly Dictionary<(ulong Device, ulong File), List<(ProtectedDisk Disk, bool IsTop)>> files = [];
    private readonly HashSet<string> directories = new(StringComparer.Ordinal);

    private BaseFiles()
    {
    }

    /// <summary>Where they lie.</summary>
    public IReadOnlyList<string> Directories => [.. directories];

    /// <summary>Looks at each disk's chain. Of one that cannot be opened now only its own file counts, and of one that is not there none.</summary>
    public static BaseFiles Of(IReadOnlyList<ProtectedDisk> disks)
    {
        var bases = new BaseFiles();
        foreach (var disk in disks) bases.Add(disk);
        return bases;
    }

    public bool Holds(IHostFile file) => files.ContainsKey(Key(file.Identity));

    /// <summary>The disk whose image a file is; null where it is none, or only something behind one, or that of several.</summary>
    public ProtectedDisk? DiskOf(IHostFile file) => files.TryGetValue(Key(file.Identity), out var of) && of.Where(d => d.IsTop).Select(d => d.Disk).ToList() is [var disk] ? disk : null;

    /// <summary>Whether a group has a file anyway.</summary>
    public bool IsOf(IHostFile file, string group) => files.TryGetValue(Key(file.Identity), out var of) && of.Exists(d => d.Disk.Group == group);

    private static (ulong Device, ulong File) Key(FileIdentity identity) => (identity.Device, identity.File);

    private void Add(ProtectedDisk disk)
    {
        try
        {
            using var image = DiskImages.Open(disk.File, new ImageOpenOptions { Format = disk.Format, Allow = disk.Allow });
            foreach (var file in image.Files) Add(disk, file, file == image.Files[0]);
        }
        catch (Exception e) when (e is ImageFormatException or ReferenceRefusedException or IOException or UnauthorizedAccessException)
        {
            AddAlone(disk);
        }
    }

    private void AddAlone(ProtectedDisk disk)
    {
        try
        {
            using var file = HostImageFiles.Instance.Open(disk.File, HostFileAccess.Read);
            Add(disk, file, isTop: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Nothing can stand on it then.
        }
    }

    private void Add(ProtectedDisk disk, IHostFile file, bool isTop)
    {
        var key = Key(file.Identity);
        if (!files.TryGetValue(key, out var of)) files.Add(key, of = []);
        of.Add((disk, isTop));
        directories.Add(Path.GetDirectoryName(Path.GetFullPath(file.Path))!);
    }
}
