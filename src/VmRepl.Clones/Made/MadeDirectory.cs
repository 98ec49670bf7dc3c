using System.Text.Json;
using System.Text.Json.Serialization;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Images;
using VmRepl.Images.Operations;

namespace VmRepl.Clones.Made;

/// <summary>The directory of one made clone: what is known of it, <c>clone.json</c>, and a raw file for each disk.</summary>
internal sealed class MadeDirectory(IHostDirectory parent, string id)
{
    private const string FileName = "clone.json";

    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
        IgnoreReadOnlyProperties = true,
    };

    private readonly IHostDirectory directory = parent.Directory(id);

    public string Path => directory.Path;

    public string PathOf(MadeDisk disk) => System.IO.Path.Combine(directory.Path, disk.FileName);

    /// <summary>What is known of it; null where nothing is.</summary>
    /// <exception cref="IOException">What is there does not parse.</exception>
    public MadeClone? Read()
    {
        if (DurableFile.TryRead(directory, FileName) is not { } contents) return null;
        try
        {
            return JsonSerializer.Deserialize<MadeClone>(contents, Options);
        }
        catch (JsonException e)
        {
            throw new IOException($"{System.IO.Path.Combine(directory.Path, FileName)} does not parse: {e.Message}", e);
        }
    }

    /// <exception cref="IOException">It is as it was.</exception>
    public void Write(MadeClone clone) => DurableFile.Replace(directory, FileName, JsonSerializer.SerializeToUtf8Bytes(clone, Options));

    /// <summary>Makes the directory, durably, with the intent in it.</summary>
    public void Create(MadeClone intent)
    {
        directory.Create();
        parent.Flush();
        Write(intent);
    }

    /// <summary>A file for a disk, all hole; one that is there goes.</summary>
    public IHostFile CreateFile(MadeDisk disk)
    {
        if (directory.FileExists(disk.FileName)) directory.Delete(disk.FileName);
        var file = directory.Open(disk.FileName, HostFileAccess.CreateNew);
        try
        {
            file.SetLength(disk.Length);
            directory.Flush();
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Copies a disk into its file; zeros and holes stay holes. Durable when it returns.</summary>
    public void Fill(MadeDisk disk, IBlockDevice contents, CancellationToken cancellation)
    {
        if (directory.FileExists(disk.FileName)) directory.Delete(disk.FileName);
        using (var file = DiskImages.Create(PathOf(disk), ImageFormat.Raw, disk.Length, new ImageCreateOptions { SectorSize = disk.SectorSize }))
            ImageConverter.Convert(contents, file, new ConvertOptions { Flush = true }, cancellation);
        directory.Flush();
    }

    public void DeleteFiles(MadeClone clone)
    {
        foreach (var disk in clone.Disks.Where(d => directory.FileExists(d.FileName))) directory.Delete(disk.FileName);
        directory.Flush();
    }

    public void Delete()
    {
        if (directory.Exists) directory.DeleteTree();
        parent.Flush();
    }
}
