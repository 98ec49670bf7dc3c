using VmRepl.Blocks;
using VmRepl.Images.Opening;
using VmRepl.Images.Tests.Variants;

namespace VmRepl.Images.Tests.Qcow2;

/// <summary>Images made by qemu-img and filled by qemu-io, in many kinds, read here and by qemu-img.</summary>
public sealed class Qcow2GoldenTests
{
    private const int Length = (3 << 20) + 1536;

    private ScratchDirectory scratch = null!;

    [SetUp]
    public void Make()
    {
        ExternalTool.Require("qemu-img");
        ExternalTool.Require("qemu-io");
        scratch = new ScratchDirectory();
    }

    [TearDown]
    public void Remove() => scratch?.Dispose();

    [Variant("QCOW2", "version 2", Referee = "qemu-img", Map = "qemu-img")]
    [Variant("QCOW2", "version 3, every cluster size from 512 B to 2 MiB", Referee = "qemu-img", Map = "qemu-img")]
    [Variant("QCOW2", "every refcount width from 1 to 64 bits", Referee = "qemu-img", Map = "qemu-img")]
    [Variant("QCOW2", "zero clusters, with and without a place", Referee = "qemu-img", Map = "qemu-img")]
    [Variant("QCOW2", "compressed clusters, deflate and zstd", Referee = "qemu-img", Map = "qemu-img")]
    [Variant("QCOW2", "extended L2 entries with subclusters, clusters of 16 KiB to 2 MiB", Referee = "qemu-img", Map = "qemu-img")]
    [Variant("QCOW2", "preallocated metadata, lazy refcounts", Referee = "qemu-img", Map = "qemu-img")]
    [TestCase("compat=0.10")]
    [TestCase("compat=0.10,cluster_size=512")]
    [TestCase("cluster_size=512")]
    [TestCase("cluster_size=512,refcount_bits=64")]
    [TestCase("cluster_size=1024,refcount_bits=1")]
    [TestCase("cluster_size=2048,refcount_bits=4")]
    [TestCase("cluster_size=4096,refcount_bits=2")]
    [TestCase("cluster_size=8192,refcount_bits=8")]
    [TestCase("cluster_size=16384,refcount_bits=16")]
    [TestCase("cluster_size=32768,refcount_bits=32")]
    [TestCase("cluster_size=65536")]
    [TestCase("cluster_size=65536,compression_type=zstd")]
    [TestCase("cluster_size=131072,refcount_bits=32,compression_type=zstd")]
    [TestCase("cluster_size=262144,refcount_bits=64")]
    [TestCase("cluster_size=524288,refcount_bits=1")]
    [TestCase("cluster_size=1048576,refcount_bits=8")]
    [TestCase("cluster_size=2097152")]
    [TestCase("cluster_size=2097152,compression_type=zstd")]
    [TestCase("lazy_refcounts=on")]
    [TestCase("extended_l2=on,cluster_size=16384")]
    [TestCase("extended_l2=on,cluster_size=131072")]
    [TestCase("extended_l2=on,cluster_size=2097152,compression_type=zstd")]
    [TestCase("preallocation=metadata")]
    [TestCase("preallocation=metadata,extended_l2=on")]
    [TestCase("preallocation=falloc")]
    public void Image_OfEveryKind_ReadsAsQemuReadsIt(string options)
    {
        var path = scratch["a.qcow2"];
        QemuImg.Create(path, Length, options);
        QemuImg.Io(path, RandomWrites(options.Sum(c => c), hasCompression: true, hasZeros: true));
        MustMatch(path);
    }

    [Variant("QCOW2", "backing chain of QCOW2 files of different kinds over raw", Referee = "qemu-img", Map = "qemu-img")]
    [TestCase("", "")]
    [TestCase("cluster_size=512", "cluster_size=65536")]
    [TestCase("extended_l2=on", "cluster_size=4096")]
    [TestCase("cluster_size=65536", "cluster_size=2097152")]
    [TestCase("compat=0.10", "compat=0.10")]
    public void Chain_OfThree_ReadsAsQemuReadsIt(string top, string middle)
    {
        File.WriteAllBytes(scratch["base.raw"], Contents.Random(1 << 20, 7));
        QemuImg.Create(scratch["mid.qcow2"], 2 << 20, middle, "base.raw", "raw");
        QemuImg.Io(scratch["mid.qcow2"], RandomWrites(5, hasCompression: true, hasZeros: true, 2 << 20));
        QemuImg.Create(scratch["top.qcow2"], Length, top, "mid.qcow2");
        QemuImg.Io(scratch["top.qcow2"], RandomWrites(6, hasCompression: true, hasZeros: true, operations: 8));
        MustMatch(scratch["top.qcow2"]);
        using var image = DiskImages.Open(scratch["top.qcow2"]);
        Assert.That(image.Files.Select(f => Path.GetFileName(f.Path)), Is.EqualTo(new[] { "top.qcow2", "mid.qcow2", "base.raw" }));
    }

    [Variant("QCOW2", "external data file, raw and not, extended L2 too", Referee = "qemu-img", Map = "qemu-img")]
    [TestCase("data_file_raw=off")]
    [TestCase("data_file_raw=on")]
    [TestCase("data_file_raw=off,extended_l2=on")]
    public void ExternalDataFile_ReadsAsQemuReadsIt(string options)
    {
        var path = scratch["a.qcow2"];
        QemuImg.Create(path, Length, $"data_file={scratch["a.data"]},{options}");
        QemuImg.Io(path, RandomWrites(11, hasCompression: false, hasZeros: true));
        // A raw external file need not hold what was never written; then the file is short, and that is refused rather than guessed.
        MustMatch(path);
    }

    [Variant("QCOW2", "backing file of another format: VMDK, VHDX, VHD, raw", Referee = "qemu-img")]
    [TestCase("vmdk")]
    [TestCase("vhdx")]
    [TestCase("vpc")]
    [TestCase("raw")]
    public void BackingFile_OfAnyFormat_IsReadBehindTheImage(string format)
    {
        File.WriteAllBytes(scratch["raw"], [.. Contents.Random(3 << 20, 8), .. new byte[1 << 20]]);
        QemuImg.Must("qemu-img", ["convert", "-f", "raw", "-O", format, scratch["raw"], scratch["base"]]);
        QemuImg.Create(scratch["top.qcow2"], 5 << 20, backing: "base", backingFormat: format);
        QemuImg.Io(scratch["top.qcow2"], RandomWrites(9, hasCompression: true, hasZeros: true, operations: 8));
        var expected = QemuImg.Contents(scratch["top.qcow2"]);
        using var image = DiskImages.Open(scratch["top.qcow2"]);
        image.ReadAll().MustBe(expected);
        image.ReadByMap().MustBe(expected);
        Assert.That(image.Map(0, image.Length).Where(r => r.HasData).Select(r => r.Depth).Distinct(), Is.EquivalentTo(new[] { 0, 1 }));
    }

    [Variant("QCOW2", "encrypted, AES and LUKS: refused by name", Referee = "qemu-img (AES), generator (LUKS)")]
    [Test]
    public void EncryptedImage_IsRefusedByName()
    {
        var path = scratch["a.qcow2"];
        QemuImg.Must("qemu-img", ["create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=secret", "-o", "encrypt.format=aes,encrypt.key-secret=s", path, "1M"]);
        Assert.That(() => DiskImages.Open(path), Throws.TypeOf<ImageFormatException>().With.Message.Contains("encrypted (AES)"));
        // qemu-img makes none with LUKS where the process's CPU time cannot be measured.
        var bytes = File.ReadAllBytes(path);
        bytes[35] = 2;
        File.WriteAllBytes(path, bytes);
        Assert.That(() => DiskImages.Open(path), Throws.TypeOf<ImageFormatException>().With.Message.Contains("encrypted (LUKS)"));
    }

    [Variant("QCOW2", "compressed by `qemu-img convert -c`: many clusters in one", Referee = "qemu-img", Map = "qemu-img")]
    [TestCase("zlib")]
    [TestCase("zstd")]
    public void CompressedConversion_ReadsAsQemuReadsIt(string type)
    {
        var raw = Contents.Random(Length, 3);
        raw.AsSpan(1 << 20, 1 << 20).Fill(9);
        raw.AsSpan(2 << 20, 1 << 18).Clear();
        File.WriteAllBytes(scratch["a.raw"], raw);
        QemuImg.Must("qemu-img", ["convert", "-c", "-f", "raw", "-O", "qcow2", "-o", $"compression_type={type}", scratch["a.raw"], scratch["a.qcow2"]]);
        MustMatch(scratch["a.qcow2"]);
        using var image = DiskImages.Open(scratch["a.qcow2"]);
        image.ReadAll().MustBe(raw);
    }

    [Test]
    public void ConcurrentReads_OfACompressedChain_AreRight()
    {
        var path = scratch["a.qcow2"];
        QemuImg.Create(path, Length, "cluster_size=4096");
        QemuImg.Io(path, RandomWrites(31, hasCompression: true, hasZeros: true));
        var expected = QemuImg.Contents(path);
        using var image = DiskImages.Open(path);
        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i => image.ReadAll(i).MustBe(expected));
    }

    /// <summary>Reads both ways, compares the map run by run, and finds nothing to complain about in the structure.</summary>
    internal static void MustMatch(string path)
    {
        var expected = QemuImg.Contents(path);
        using var image = DiskImages.Open(path);
        Assert.That(image.Length, Is.EqualTo(expected.Length));
        image.ReadAll().MustBe(expected);
        image.ReadByMap().MustBe(expected);
        Assert.That(image.Check().Where(f => f.IsDamage), Is.Empty);
        QemuMapReferee.MustMapAlike(image, QemuImg.Map(path));
    }

    internal static IEnumerable<string> RandomWrites(int seed, bool hasCompression, bool hasZeros, long length = Length, int operations = 25)
    {
        var random = new Random(seed);
        for (var i = 0; i < operations; i++)
        {
            var offset = random.NextInt64(length / 512) * 512;
            var size = Math.Min(length - offset, random.Next(1, 300) * 512L);
            var kind = random.Next(10);
            if (kind == 0 && hasZeros) yield return $"write -q -z {offset} {size}";
            else if (kind == 1 && hasZeros) yield return $"write -q -z -u {offset} {size}";
            else if (kind == 2 && hasZeros) yield return $"discard -q {offset} {size}";
            else if (kind is 3 or 4 && hasCompression && offset / (1 << 16) * (1 << 16) + (1 << 16) <= length) yield return $"write -q -c -P {i + 1} {offset / (1 << 16) * (1 << 16)} {1 << 16}";
            else yield return $"write -q -P {i + 1} {offset} {size}";
        }
    }
}
