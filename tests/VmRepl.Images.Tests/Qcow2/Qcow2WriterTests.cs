using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;
using VmRepl.Images.Qcow2;
using VmRepl.Images.Tests.Variants;

namespace VmRepl.Images.Tests.Qcow2;

/// <summary>What is written here, judged by qemu-img: contents, and a check with neither damage nor leaks.</summary>
public sealed class Qcow2WriterTests
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

    [TestCase(512L)]
    [TestCase(0L)]
    [TestCase(Length)]
    [TestCase(5L << 40)]
    [TestCase(1L << 53)]
    public void Create_OfAnyLength_GivesACleanThinImage(long length)
    {
        var path = scratch["a.qcow2"];
        using (var image = DiskImages.Create(path, ImageFormat.Qcow2, length))
        {
            Assert.That(image.Length, Is.EqualTo(length));
            Assert.That(image.Map(0, length).All(r => r.State == BlockState.Unallocated));
        }

        QemuImg.MustBeClean(path);
        if (length == Length) QemuImg.Contents(path).MustBe(new byte[Length]);
    }

    [Variant("QCOW2", "version 3, created and written, clusters of 512 B to 2 MiB", Referee = "qemu-img, qemu-img check", IsWritten = true)]
    [TestCase(512)]
    [TestCase(4096)]
    [TestCase(65536)]
    [TestCase(1 << 21)]
    public void NewImage_AfterRandomWork_HoldsWhatAMirrorHolds(int clusterSize)
    {
        var path = scratch["a.qcow2"];
        var mirror = new byte[Length];
        using (var image = CreateWithClusters(path, clusterSize)) WorkAtRandom(image, mirror, seed: clusterSize, operations: 120);
        MustHold(path, mirror);
    }

    [Variant("QCOW2", "images of QEMU of either version, any refcount width, written to", Referee = "qemu-img, qemu-img check", IsWritten = true)]
    [TestCase("")]
    [TestCase("compat=0.10")]
    [TestCase("cluster_size=512,refcount_bits=1")]
    [TestCase("cluster_size=1024,refcount_bits=2")]
    [TestCase("cluster_size=512,refcount_bits=64")]
    [TestCase("cluster_size=2048,refcount_bits=32")]
    [TestCase("cluster_size=4096,refcount_bits=8")]
    [TestCase("cluster_size=2097152")]
    [TestCase("compression_type=zstd")]
    [TestCase("preallocation=metadata")]
    [TestCase("lazy_refcounts=on")]
    public void QemusImage_AfterRandomWork_HoldsWhatAMirrorHolds(string options)
    {
        var path = scratch["a.qcow2"];
        QemuImg.Create(path, Length, options);
        QemuImg.Io(path, Qcow2GoldenTests.RandomWrites(3, hasCompression: true, hasZeros: true));
        var mirror = QemuImg.Contents(path);
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true })) WorkAtRandom(image, mirror, 4, 80);
        MustHold(path, mirror);
    }

    [Variant("QCOW2", "overlay, written to", Referee = "qemu-img, qemu-img check", IsWritten = true)]
    [TestCase("", "")]
    [TestCase("compat=0.10", "cluster_size=512")]
    [TestCase("cluster_size=4096", "cluster_size=65536")]
    public void Overlay_AfterRandomWork_HoldsWhatAMirrorHoldsAndLeavesItsParent(string top, string bottom)
    {
        QemuImg.Create(scratch["base.qcow2"], 2 << 20, bottom);
        QemuImg.Io(scratch["base.qcow2"], Qcow2GoldenTests.RandomWrites(3, hasCompression: true, hasZeros: true, 2 << 20));
        var before = File.ReadAllBytes(scratch["base.qcow2"]);
        var path = scratch["top.qcow2"];
        QemuImg.Create(path, Length, top, "base.qcow2");
        var mirror = QemuImg.Contents(path);
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true })) WorkAtRandom(image, mirror, 5, 60);
        MustHold(path, mirror);
        File.ReadAllBytes(scratch["base.qcow2"]).MustBe(before);
    }

    [Variant("QCOW2", "image with internal snapshots, written to", Referee = "qemu-img, qemu-img check", IsWritten = true)]
    [Test]
    public void ImageWithSnapshots_AfterRandomWork_KeepsTheSnapshots()
    {
        var path = scratch["a.qcow2"];
        QemuImg.Create(path, Length, "cluster_size=4096");
        QemuImg.Io(path, Qcow2GoldenTests.RandomWrites(3, hasCompression: true, hasZeros: true));
        var then = QemuImg.Contents(path);
        QemuImg.Must("qemu-img", ["snapshot", "-c", "one", path]);
        QemuImg.Io(path, Qcow2GoldenTests.RandomWrites(8, hasCompression: true, hasZeros: true, operations: 5));
        var mirror = QemuImg.Contents(path);
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true })) WorkAtRandom(image, mirror, 6, 60);
        MustHold(path, mirror);
        QemuImg.Must("qemu-img", ["snapshot", "-a", "one", path]);
        QemuImg.Contents(path).MustBe(then);
    }

    [Test]
    public void Bitmaps_AfterAWrite_AreMarkedStale()
    {
        var path = scratch["a.qcow2"];
        QemuImg.Create(path, Length);
        QemuImg.Must("qemu-img", ["bitmap", "--add", path, "b0"]);
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true })) image.Write(0, new byte[] { 1, 2, 3 });
        var header = File.ReadAllBytes(path).AsSpan(Qcow2Layout.AutoclearAt, 8).ToArray();
        Assert.That(header, Is.EqualTo(new byte[8]));
    }

    [Test]
    public void OpenForWriting_WithoutAWrite_LeavesTheFileAsItIs()
    {
        var path = scratch["a.qcow2"];
        QemuImg.Create(path, Length);
        QemuImg.Io(path, Qcow2GoldenTests.RandomWrites(3, hasCompression: true, hasZeros: true));
        var before = File.ReadAllBytes(path);
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true })) image.Flush();
        File.ReadAllBytes(path).MustBe(before);
    }

    [Test]
    public void Punch_OfEverything_GivesTheSpaceBack()
    {
        var path = scratch["a.qcow2"];
        using (var image = DiskImages.Create(path, ImageFormat.Qcow2, 8 << 20))
        {
            image.Write(0, Contents.Random(8 << 20, 1));
            image.Flush();
            image.Punch(0, 8 << 20);
            image.Flush();
            Assert.That(image.Map(0, image.Length).Single().State, Is.EqualTo(BlockState.Unallocated));
            var size = new FileInfo(path).Length;
            image.Write(0, Contents.Random(8 << 20, 2));
            Assert.That(new FileInfo(path).Length, Is.EqualTo(size), "freed clusters are not used again");
        }

        MustHold(path, Contents.Random(8 << 20, 2));
    }

    [Test]
    public void ConcurrentWritesOfOtherSectors_AllArrive()
    {
        var path = scratch["a.qcow2"];
        const int length = 16 << 20, piece = 3 * 512;
        var mirror = Contents.Random(length, 9);
        using (var image = DiskImages.Create(path, ImageFormat.Qcow2, length))
        {
            var starts = Enumerable.Range(0, (length + piece - 1) / piece).Select(i => i * piece).ToArray();
            new Random(3).Shuffle(starts);
            Parallel.ForEach(starts, new ParallelOptions { MaxDegreeOfParallelism = 4 }, start =>
            {
                image.Write(start, mirror.AsSpan(start, Math.Min(piece, length - start)));
                if (start % 1000 == 0) image.Flush();
            });
            image.ReadAll().MustBe(mirror);
        }

        MustHold(path, mirror);
    }

    [TestCase("corrupt")]
    [TestCase("extended_l2=on")]
    [TestCase("data_file=x.data")]
    public void ImageThatIsNotWritten_OpenedForWriting_IsRefusedByName(string kind)
    {
        var path = scratch["a.qcow2"];
        QemuImg.Create(path, Length, kind == "corrupt" ? "" : kind.Replace("x.data", scratch["x.data"], StringComparison.Ordinal));
        if (kind == "corrupt")
        {
            using var file = HostFile.Open(path, HostFileAccess.ReadWrite);
            file.Write(Qcow2Layout.IncompatibleAt + 7, [2]);
        }

        Assert.That(() => DiskImages.Open(path, new ImageOpenOptions { Writable = true }), Throws.TypeOf<ImageFormatException>());
        using var image = DiskImages.Open(path);
        Assert.That(() => image.Write(0, new byte[512]), Throws.TypeOf<NotSupportedException>());
    }

    [Test]
    public void DamagedImage_BeforeTheFirstWrite_IsRefused()
    {
        var path = scratch["a.qcow2"];
        QemuImg.Create(path, Length);
        QemuImg.Io(path, ["write -q -P 1 0 1M"]);
        using (var file = HostFile.Open(path, HostFileAccess.ReadWrite)) file.Write(2 * 65536, new byte[64]);
        var before = File.ReadAllBytes(path);
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true }))
            Assert.That(() => image.Write(2 << 20, new byte[512]), Throws.TypeOf<ImageFormatException>().With.Message.Contains("damaged"));
        File.ReadAllBytes(path).MustBe(before);
    }

    internal static IDiskImage CreateWithClusters(string path, int clusterSize, long length = Length)
    {
        using (var file = HostFile.Open(path, HostFileAccess.CreateNew)) Qcow2Creator.Write(file, length, System.Numerics.BitOperations.Log2((uint)clusterSize));
        return DiskImages.Open(path, new ImageOpenOptions { Writable = true });
    }

    /// <summary>Writes, zeroes, punches, flushes and reads at random; the mirror has the same done to it.</summary>
    internal static void WorkAtRandom(IBlockDevice image, byte[] mirror, int seed, int operations)
    {
        var random = new Random(seed);
        for (var i = 0; i < operations; i++)
        {
            var offset = random.Next(mirror.Length);
            var length = Math.Min(mirror.Length - offset, random.Next(3) == 0 ? random.Next(1, 2000) : random.Next(1, 400_000));
            if (random.Next(2) == 0) (offset, length) = (offset / 512 * 512, Math.Max(1, length / 4096 * 4096));
            length = Math.Min(length, mirror.Length - offset);
            var range = mirror.AsSpan(offset, length);
            switch (random.Next(8))
            {
                case 0:
                    image.Zero(offset, length);
                    range.Clear();
                    break;
                case 1:
                    image.Punch(offset, length);
                    range.Clear();
                    break;
                case 2:
                    image.Flush();
                    break;
                case 3:
                    var read = new byte[length];
                    image.Read(offset, read);
                    Assert.That(range.SequenceEqual(read), $"operation {i}: {length} bytes at {offset} differ");
                    break;
                default:
                    random.NextBytes(range);
                    image.Write(offset, range);
                    break;
            }
        }

        image.ReadAll().MustBe(mirror);
        image.ReadByMap().MustBe(mirror);
        // QCOW2 loses no space while it is open; the others may have some that waits for a flush.
        if (image is IDiskImage disk) Assert.That(disk.Check().Where(f => f.IsDamage || disk.Format == ImageFormat.Qcow2), Is.Empty);
    }

    private static void MustHold(string path, byte[] mirror)
    {
        QemuImg.MustBeClean(path);
        QemuImg.Contents(path).MustBe(mirror);
        using var image = DiskImages.Open(path);
        Assert.That(image.Check(), Is.Empty);
        image.ReadAll().MustBe(mirror);
    }
}
