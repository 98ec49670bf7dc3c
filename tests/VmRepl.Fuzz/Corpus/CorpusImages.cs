using System.IO.Compression;
using VmRepl.Images;

namespace VmRepl.Fuzz.Corpus;

/// <summary>All sound images: the samples of the repository, and what <see cref="GeneratedImages"/> makes. The same in each run but for identifiers and times that the writers draw.</summary>
public static class CorpusImages
{
    private static readonly (string Name, ImageFormat Format, string? Snapshot, string[] Behind)[] Samples =
    [
        ("v2.qcow2", ImageFormat.Qcow2, null, []), ("v3-deflate.qcow2", ImageFormat.Qcow2, null, []), ("v3-extended-l2.qcow2", ImageFormat.Qcow2, null, []), ("v3-zstd.qcow2", ImageFormat.Qcow2, null, []),
        ("snapshot-and-bitmap.qcow2", ImageFormat.Qcow2, "before", []), ("chain-top.qcow2", ImageFormat.Qcow2, null, ["chain-base.qcow2"]),
        ("monolithic-sparse.vmdk", ImageFormat.Vmdk, null, []), ("stream-optimized.vmdk", ImageFormat.Vmdk, null, []),
    ];

    public static IReadOnlyList<CorpusImage> Load()
    {
        var images = Path.Combine(Root(), "images");
        List<CorpusImage> corpus = [];
        foreach (var (name, format, snapshot, behind) in Samples)
        {
            string[] names = [name, .. behind];
            corpus.Add(Described(name, format, [.. names.Select(n => (n, File.ReadAllBytes(Path.Combine(images, "formats", n))))], snapshot));
        }

        corpus.Add(Described("system.qcow2", ImageFormat.Qcow2, [("system.qcow2", File.ReadAllBytes(Path.Combine(images, "system.qcow2")))]));
        using (var packed = new GZipStream(File.OpenRead(Path.Combine(images, "data.vhdx.gz")), CompressionMode.Decompress))
        using (var plain = new MemoryStream())
        {
            packed.CopyTo(plain);
            corpus.Add(Described("data.vhdx", ImageFormat.Vhdx, [("data.vhdx", plain.ToArray())]));
        }

        corpus.AddRange(GeneratedImages.Make());
        return corpus;
    }

    /// <summary>The image of these files, the first of which is opened, with everything in them that is worth changing.</summary>
    public static CorpusImage Described(string name, ImageFormat format, IReadOnlyList<(string Name, byte[] Bytes)> files, string? snapshot = null) =>
        new(name, format, [.. files.Select(f => Described(f.Name, f.Bytes))], snapshot);

    private static CorpusFile Described(string name, byte[] bytes)
    {
        var file = new CorpusFile(name, bytes);
        if (bytes.AsSpan().StartsWith("QFI"u8)) Qcow2Sites.Find(file);
        else if (bytes.AsSpan().StartsWith("vhdxfile"u8)) VhdxSites.Find(file);
        else if (bytes.Length >= 512 && bytes.AsSpan(bytes.Length - 512).StartsWith("conectix"u8)) VhdSites.Find(file);
        else VmdkSites.Find(file);
        return file;
    }

    private static string Root()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "VmRepl.sln"))) return folder.FullName;
        throw new InvalidOperationException($"no VmRepl.sln above {AppContext.BaseDirectory}, and so no sample images");
    }
}
