using System.IO.Compression;
using System.Text.Json;

namespace VmRepl.Agent.Demo;

/// <summary>One of the two sample disks (images/README.md): its image, what changes it, and the digests of its contents, taken apart from this code.</summary>
/// <param name="Sha256">Of the contents at moments 0, 1 and 2.</param>
/// <param name="Changes">Files that lead from each moment to the next.</param>
internal sealed record SampleDisk(string Name, string File, string Format, long Size, IReadOnlyList<string> Sha256, IReadOnlyList<string> Changes)
{
    private const string DirectoryName = "samples";

    private static string Directory => Path.Combine(AppContext.BaseDirectory, DirectoryName);

    public static IReadOnlyList<SampleDisk> Load()
    {
        using var digests = System.IO.File.OpenRead(Path.Combine(Directory, "digests.json"));
        return JsonSerializer.Deserialize<Samples>(digests, JsonSerializerOptions.Web)!.Disks;
    }

    /// <summary>Puts a fresh copy of the disk at moment 0 into <paramref name="directory"/>; returns its path.</summary>
    public string CopyTo(string directory)
    {
        var target = Path.Combine(directory, $"{Name}.{Format}");
        using var from = System.IO.File.OpenRead(Path.Combine(Directory, File));
        using var to = new FileStream(target, FileMode.CreateNew);
        if (File.EndsWith(".gz", StringComparison.Ordinal))
        {
            using var unpacked = new GZipStream(from, CompressionMode.Decompress);
            unpacked.CopyTo(to);
        }
        else
        {
            from.CopyTo(to);
        }

        return target;
    }

    /// <summary>The change set that leads to <paramref name="moment"/>, 1 or 2.</summary>
    public ChangeSet ChangesTo(int moment) => ChangeSet.Read(Path.Combine(Directory, Changes[moment - 1]));

    private sealed record Samples(IReadOnlyList<SampleDisk> Disks);
}
