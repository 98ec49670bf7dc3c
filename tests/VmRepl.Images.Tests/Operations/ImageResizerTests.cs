using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;
using VmRepl.Images.Operations;
using VmRepl.Images.Tests.Qcow2;

namespace VmRepl.Images.Tests.Operations;

/// <summary>Disks of every format that become longer and shorter, judged by qemu-img; and a crash at every step.</summary>
internal sealed class ImageResizerTests
{
    private const int Length = (2 << 20) + (3 * 512);
    private const int MiB = 1 << 20;

    private TestFolder folder = null!;

    [SetUp]
    public void Make()
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        folder = new TestFolder();
    }

    [TearDown]
    public void Remove() => folder?.Dispose();

    // VMDK: inside its one grain table of 32 MiB, and past it.
    [Test]
    public void Resize_BetweenRandomWork_HoldsWhatAMirrorHolds(
        [Values] ImageFormat format, [Values((5 << 20) + 512, 50 << 20)] int length)
    {
        var path = folder.File("disk");
        var mirror = new byte[Length];
        using (var image = DiskImages.Create(path, format, Length))
        {
            Qcow2WriterTests.WorkAtRandom(image, mirror, 1, 30);
            ImageResizer.Resize(image, length, allowShrink: false, CancellationToken.None);
            Assert.That(image.Length, Is.EqualTo(length));
            Array.Resize(ref mirror, length);
            DiskContents.ReadAll(image).MustBe(mirror, "after growing");
            Qcow2WriterTests.WorkAtRandom(image, mirror, 2, 30);
        }

        MustHold(path, format, mirror);
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Format = format, Writable = true }))
        {
            ImageResizer.Resize(image, length + (3 * MiB), allowShrink: false, CancellationToken.None);
            Array.Resize(ref mirror, length + (3 * MiB));
        }

        MustHold(path, format, mirror);
    }

    [Test]
    public void Resize_Shorter_IsDoneWhenAskedForAndOnlyOverZeros([Values(ImageFormat.Raw, ImageFormat.Qcow2, ImageFormat.Vhdx, ImageFormat.Vhd)] ImageFormat format)
    {
        var path = folder.File("disk");
        var mirror = DiskContents.Random(1, 6 * MiB);
        using (var image = DiskImages.Create(path, format, 6 * MiB))
        {
            image.Write(0, mirror);
            Assert.That(() => ImageResizer.Resize(image, Length, false, CancellationToken.None), Throws.TypeOf<ShrinkRefusedException>());
            image.Punch(3 * MiB, 3 * MiB);
            // Zeros that are written are zeros too.
            image.Write(4 * MiB, new byte[MiB]);
            image.Write((5 * MiB) + 77, [1]);
            Assert.That(() => ImageResizer.Resize(image, 3 * MiB, true, CancellationToken.None), Throws.TypeOf<ShrinkRefusedException>().With.Message.Contains($"{(5 * MiB) + 77}"));
            image.Zero((5 * MiB) + 77, 1);
            Assert.That(() => ImageResizer.Resize(image, 3 * MiB, false, CancellationToken.None), Throws.TypeOf<ShrinkRefusedException>());
            ImageResizer.Resize(image, 3 * MiB, true, CancellationToken.None);
        }

        Array.Resize(ref mirror, 3 * MiB);
        MustHold(path, format, mirror);
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Format = format, Writable = true })) ImageResizer.Resize(image, 7 * MiB, false, CancellationToken.None);
        Array.Resize(ref mirror, 7 * MiB);
        MustHold(path, format, mirror);
    }

    [TestCase("cluster_size=512")]
    [TestCase("cluster_size=512,refcount_bits=64")]
    [TestCase("compat=0.10,cluster_size=1024")]
    [TestCase("cluster_size=2097152")]
    public void Resize_OfQemusQcow2_IsCleanToQemu(string options)
    {
        var path = folder.File("disk");
        QemuImg.Create(path, Length, options);
        QemuImg.Io(path, Qcow2GoldenTests.RandomWrites(3, hasCompression: true, hasZeros: true, 2 << 20));
        var mirror = QemuImg.Contents(path);
        Array.Resize(ref mirror, 40 * MiB);
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true }))
        {
            ImageResizer.Resize(image, 40 * MiB, false, CancellationToken.None);
            Qcow2WriterTests.WorkAtRandom(image, mirror, 4, 30);
        }

        MustHold(path, ImageFormat.Qcow2, mirror);
    }

    [Test]
    public void Resize_OfAnOverlay_DoesNotShowMoreOfItsParent()
    {
        File.WriteAllBytes(folder.File("base"), DiskContents.Random(1, 5 * MiB));
        var path = folder.File("top");
        var mirror = DiskContents.Random(1, 5 * MiB)[..Length];
        using (var image = DiskImages.CreateOverlay(path, ImageFormat.Qcow2, new ImageCreateOptions { Backing = new ImageBacking("base", ImageFormat.Raw) }, Length))
        {
            Qcow2WriterTests.WorkAtRandom(image, mirror, 4, 30);
            ImageResizer.Resize(image, 9 * MiB, false, CancellationToken.None);
        }

        Array.Resize(ref mirror, 9 * MiB);
        MustHold(path, ImageFormat.Qcow2, mirror);
    }

    [Test]
    public void Resize_WithSnapshots_KeepsThem()
    {
        var path = folder.File("disk");
        QemuImg.Create(path, Length, "cluster_size=512");
        QemuImg.Io(path, Qcow2GoldenTests.RandomWrites(3, hasCompression: true, hasZeros: true, 2 << 20));
        var then = QemuImg.Contents(path);
        QemuImg.Must("qemu-img", ["snapshot", "-c", "one", path]);
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true })) ImageResizer.Resize(image, 20 * MiB, false, CancellationToken.None);
        QemuImg.MustBeClean(path);
        QemuImg.Must("qemu-img", ["snapshot", "-a", "one", path]);
        QemuImg.Contents(path).MustBe(then);
    }

    [Test]
    public void Resize_OfAVhdxPastItsTable_MovesTheTable()
    {
        // 1 MiB of table names 128 GiB of blocks of 1 MiB.
        var path = folder.File("disk");
        using (var image = DiskImages.Create(path, ImageFormat.Vhdx, 100L << 30))
        {
            image.Write(99L << 30, DiskContents.Random(1, 5000));
            ImageResizer.Resize(image, 300L << 30, false, CancellationToken.None);
            image.Write((300L << 30) - 5000, DiskContents.Random(2, 5000));
        }

        using var opened = DiskImages.Open(path);
        Assert.That(opened.Check().Where(f => f.IsDamage), Is.Empty);
        Assert.That(ExternalTool.Run("qemu-img", "check", "-f", "vhdx", path), Does.Contain("No errors"));
        var raw = folder.File("raw");
        ExternalTool.Run("qemu-img", "convert", "-f", "vhdx", "-O", "raw", path, raw);
        foreach (var (offset, seed) in new[] { (99L << 30, 1), ((300L << 30) - 5000, 2) })
        {
            var found = new byte[5000];
            opened.Read(offset, found);
            found.MustBe(DiskContents.Random(seed, 5000));
            using var file = HostFile.Open(raw, HostFileAccess.Read);
            file.ReadExactly(offset, found);
            found.MustBe(DiskContents.Random(seed, 5000), "qemu");
        }
    }

    [Test]
    public void Resize_OfAFixedVhdxOfQemu_GivesItsBlocksPlaces()
    {
        var path = folder.File("disk");
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "vhdx", "-o", "block_size=1M,subformat=fixed", path, "5632K");
        QemuImg.Io(path, ["write -q -P 7 0 5632K"], "vhdx");
        var mirror = new byte[9 * MiB];
        mirror.AsSpan(0, 5632 << 10).Fill(7);
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true }))
        {
            ImageResizer.Resize(image, 9 * MiB, false, CancellationToken.None);
            Assert.That(image.Description.Details["subformat"], Is.EqualTo("fixed"));
            Assert.That(image.Map(0, 9 * MiB).All(r => r.State != Blocks.BlockState.Unallocated));
        }

        MustHold(path, ImageFormat.Vhdx, mirror);
    }

    [TestCase("monolithicSparse")]
    [TestCase("monolithicFlat")]
    public void Resize_OfQemusVmdk_IsTheSameDiskToQemu(string subformat)
    {
        var path = folder.File("disk.vmdk");
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "vmdk", "-o", $"subformat={subformat}", path, $"{Length}");
        QemuImg.Io(path, ["write -q -P 7 0 2M"], "vmdk");
        var mirror = Read(path, ImageFormat.Vmdk);
        Array.Resize(ref mirror, 70 * MiB);
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true }))
        {
            ImageResizer.Resize(image, 70 * MiB, false, CancellationToken.None);
            Qcow2WriterTests.WorkAtRandom(image, mirror, 4, 30);
        }

        MustHold(path, ImageFormat.Vmdk, mirror);
    }

    [Test]
    public void Resize_OfWhatCannot_IsRefusedByName()
    {
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse", folder.File("split.vmdk"), "8M");
        DiskImages.Create(folder.File("base.vmdk"), ImageFormat.Vmdk, 8 * MiB).Dispose();
        DiskImages.Create(folder.File("base.vhdx"), ImageFormat.Vhdx, 8 * MiB).Dispose();
        foreach (var format in new[] { ImageFormat.Vmdk, ImageFormat.Vhdx })
            DiskImages.CreateOverlay(folder.File($"top.{format.QemuName()}"), format, new ImageCreateOptions { Backing = new ImageBacking($"base.{format.Name()}", format) }).Dispose();
        foreach (var name in new[] { "split.vmdk", "top.vmdk", "top.vhdx" })
        {
            using var image = DiskImages.Open(folder.File(name), new ImageOpenOptions { Writable = true });
            Assert.That(() => ImageResizer.Resize(image, 16 * MiB, false, CancellationToken.None), Throws.TypeOf<NotSupportedException>(), name);
        }

        using var vmdk = DiskImages.Open(folder.File("base.vmdk"), new ImageOpenOptions { Writable = true });
        Assert.That(() => ImageResizer.Resize(vmdk, 4 * MiB, true, CancellationToken.None), Throws.TypeOf<NotSupportedException>());
        Assert.That(() => ImageResizer.Resize(vmdk, (4 * MiB) + 1, true, CancellationToken.None), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    /// <summary>A crash at every change and flush of the file: it opens, with the old length or the new one, the contents unchanged and zeros behind them.</summary>
    [Test]
    public void Resize_CutAtAnyChange_LeavesTheOldSizeOrTheNew(
        [Values(ImageFormat.Qcow2, ImageFormat.Vhdx, ImageFormat.Vmdk, ImageFormat.Vhd)] ImageFormat format, [Values(2 * MiB, 40 * MiB)] int length, [Values(1, 2, 3)] int seed)
    {
        const int old = MiB + (5 * 512);
        var random = new Random(seed);
        var file = new MemoryFile(Path.Combine(folder.Path, "disk"), Made(format, old));
        var contents = new byte[old];
        var lengths = new List<long>();
        using (var image = MemoryFiles.Open(file, isWritable: true, format))
        {
            DiskContents.Random(seed, old - 300_000).CopyTo(contents, 0);
            image.Write(0, contents.AsSpan(0, old - 300_000));
            image.Write(old - 700, DiskContents.Random(9, 700));
            DiskContents.Random(9, 700).CopyTo(contents, old - 700);
            image.Flush();
            file.BeforeChange = () => Judge(file.AfterCrash(random));
            ImageResizer.Resize(image, length, allowShrink: false, CancellationToken.None);
            Assert.That(image.Length, Is.EqualTo(length));
        }

        Judge(file.AfterCrash(random));
        Assert.That(lengths, Has.Count.GreaterThan(4));
        Assert.That(lengths[^1], Is.EqualTo(length), "durable when it returns");

        void Judge(byte[] left)
        {
            foreach (var isWritable in new[] { false, true })
            {
                using var survivor = MemoryFiles.Open(new MemoryFile(Path.Combine(folder.Path, "left"), left), isWritable, format);
                Assert.That(survivor.Length, Is.EqualTo(old).Or.EqualTo(length));
                var expected = new byte[survivor.Length];
                contents.CopyTo(expected, 0);
                DiskContents.ReadAll(survivor).MustBe(expected, $"crash {lengths.Count}");
                Assert.That(survivor.Check().Where(f => f.IsDamage), Is.Empty);
                lengths.Add(survivor.Length);
            }
        }
    }

    /// <summary>An empty image; QCOW2 with clusters so small that the longer disk needs another L1 table.</summary>
    private byte[] Made(ImageFormat format, int length)
    {
        var path = folder.File("made");
        if (format == ImageFormat.Qcow2) Qcow2WriterTests.CreateWithClusters(path, 512, length).Dispose();
        else DiskImages.Create(path, format, length).Dispose();
        return File.ReadAllBytes(path);
    }

    private void MustHold(string path, ImageFormat format, byte[] mirror)
    {
        Read(path, format).MustBe(mirror);
        DiskContents.ReadByQemu(folder, format.QemuName(), path).MustBe(mirror, "qemu");
        if (format == ImageFormat.Qcow2) QemuImg.MustBeClean(path);
        else if (format is not (ImageFormat.Raw or ImageFormat.Vhd)) Assert.That(ExternalTool.Run("qemu-img", "check", "-f", format.QemuName(), path), Does.Contain("No errors"));
    }

    private static byte[] Read(string path, ImageFormat format)
    {
        using var image = DiskImages.Open(path, new ImageOpenOptions { Format = format });
        Assert.That(image.Check().Where(f => f.IsDamage), Is.Empty);
        return DiskContents.ReadAll(image);
    }
}
