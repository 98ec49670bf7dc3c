using System.IO.Compression;
using System.Text.Json;

namespace VmRepl.Images.Tests.Samples;

/// <summary><c>images/digests.json</c>: taken by qemu-img and SHA-256, no line of ours.</summary>
internal sealed record SampleDigests(SampleDisk[] Disks, SampleFormat[] Formats)
{
    public static string Folder { get; } = Find();

    public static SampleDigests Read() =>
        JsonSerializer.Deserialize<SampleDigests>(File.ReadAllText(Path.Combine(Folder, "digests.json")), JsonSerializerOptions.Web) ?? throw new InvalidDataException("digests.json is empty");

    /// <summary>Copies a sample, unpacked if it is packed.</summary>
    public static void CopyTo(string sample, string target)
    {
        using var source = File.OpenRead(Path.Combine(Folder, sample));
        using var copy = File.Create(target);
        if (!sample.EndsWith(".gz", StringComparison.Ordinal))
        {
            source.CopyTo(copy);
            return;
        }

        using var unpacked = new GZipStream(source, CompressionMode.Decompress);
        unpacked.CopyTo(copy);
    }

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "VmRepl.sln"))) return Path.Combine(folder.FullName, "images");
        throw new InvalidOperationException($"no VmRepl.sln above {AppContext.BaseDirectory}");
    }
}
