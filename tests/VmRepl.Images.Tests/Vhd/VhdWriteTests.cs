using VmRepl.Images.Opening;
using VmRepl.Images.Tests.Qcow2;
using VmRepl.Images.Tests.Variants;

namespace VmRepl.Images.Tests.Vhd;

/// <summary>Files that are made or changed here, judged by others.</summary>
internal sealed class VhdWriteTests
{
    private const int MiB = 1 << 20;

    private TestFolder folder = null!;

    [SetUp]
    public void Make()
    {
        ExternalTool.Require("qemu-img", "qemu-io", "7zz", "vhdiinfo");
        folder = new TestFolder();
    }

    [TearDown]
    public void Remove() => folder?.Dispose();

    [TestCase("dynamic", 70 * MiB)]
    [TestCase("dynamic", (21 * MiB) + 512)]
    [TestCase("dynamic", 512)]
    [TestCase("fixed", (21 * MiB) + 512)]
    [Variant("VHD", "dynamic and fixed", Referee = "qemu-img, 7-Zip, generator; sizes by vhdiinfo", IsWritten = true)]
    public void Create_ThenWritten_IsTheSameDiskToQemu7ZipAndLibvhdi(string subformat, int length)
    {
        var path = folder.File("new.vhd");
        var mirror = new byte[length];
        using (var image = DiskImages.Create(path, ImageFormat.Vhd, length, new ImageCreateOptions { Subformat = subformat })) Work(image, mirror, 1);
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true }))
        {
            Assert.That(image.Format, Is.EqualTo(ImageFormat.Vhd), "probed");
            Work(image, mirror, 2);
            DiskContents.ReadAll(image).MustBe(mirror);
        }

        Judge(path, mirror);
        new VhdReferee(path).ReadAll().MustBe(mirror, "referee");
        Assert.That(ExternalTool.Run("vhdiinfo", path), Does.Contain(subformat).IgnoreCase.And.Contain($"({length} bytes)"));
    }

    [TestCase("dynamic")]
    [TestCase("fixed")]
    [Variant("VHD", "files of QEMU, written here and again by QEMU", Referee = "qemu-img, 7-Zip", IsWritten = true)]
    public void Write_ToAFileOfQemu_KeepsTheRestAndIsReadByQemu_WhichWritesOn(string subformat)
    {
        var path = folder.File("qemu.vhd");
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "vpc", "-o", $"subformat={subformat}", path, "20M");
        QemuImg.Io(path, ["write -q -P 7 1M 10M"], "vpc");
        var mirror = QemuImg.Contents(path, "vpc");
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true }))
        {
            DiskContents.ReadAll(image).MustBe(mirror);
            Qcow2WriterTests.WorkAtRandom(image, mirror, 3, 40);
        }

        Judge(path, mirror);
        QemuImg.Io(path, ["write -q -P 9 0 1M", "write -q -P 5 15M 3M"], "vpc");
        mirror.AsSpan(0, MiB).Fill(9);
        mirror.AsSpan(15 * MiB, 3 * MiB).Fill(5);
        Judge(path, mirror);
    }

    [Test]
    public void Create_OfTheLargestDisk_IsThinAndReadable()
    {
        const long length = 2040L << 30;
        var path = folder.File("big.vhd");
        using (var image = DiskImages.Create(path, ImageFormat.Vhd, length))
        {
            image.Write(length - 512, DiskContents.Random(1, 512));
            image.Write(length / 2, DiskContents.Random(2, 4096));
        }

        Assert.That(new FileInfo(path).Length, Is.LessThan(12L * MiB));
        Assert.That(ExternalTool.Run("qemu-img", "info", "-f", "vpc", path), Does.Contain($"({length} bytes)"));
        using var opened = DiskImages.Open(path);
        var bytes = new byte[512];
        opened.Read(length - 512, bytes);
        bytes.MustBe(DiskContents.Random(1, 512));
        Assert.That(opened.Map(0, length).Where(r => r.HasData).Sum(r => r.Length), Is.InRange(4096 + 512, 16384));
        Assert.That(() => DiskImages.Create(folder.File("toobig"), ImageFormat.Vhd, length + 512), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Punch_OfWholeBlocks_GivesTheirSpaceBackAndUsesItAgain_AndClosingTrimsTheFile()
    {
        var path = folder.File("punch.vhd");
        using (var image = DiskImages.Create(path, ImageFormat.Vhd, 64 * MiB))
        {
            image.Write(0, DiskContents.Random(1, 8 * MiB));
            image.Flush();
            var length = new FileInfo(path).Length;
            for (var round = 0; round < 5; round++)
            {
                image.Punch(round * 8 * MiB, 8 * MiB);
                image.Flush();
                image.Write((round + 1) * 8 * MiB, DiskContents.Random(round, 4096));
                image.Write(((round + 1) * 8 * MiB) + (7 * MiB), DiskContents.Random(round, 4096));
                image.Flush();
            }

            Assert.That(new FileInfo(path).Length, Is.EqualTo(length));
            var expected = new byte[64 * MiB];
            DiskContents.Random(4, 4096).CopyTo(expected, 40 * MiB);
            DiskContents.Random(4, 4096).CopyTo(expected, 47 * MiB);
            DiskContents.ReadAll(image).MustBe(expected);
        }

        using var opened = DiskImages.Open(path);
        Assert.That(opened.Check().Where(f => f.IsDamage), Is.Empty);
    }

    [Test]
    public void Close_AfterGrowing_LeavesNoRoomUnused()
    {
        var path = folder.File("tight.vhd");
        using (var image = DiskImages.Create(path, ImageFormat.Vhd, 200 * MiB))
        {
            for (var i = 0; i < 21; i++) image.Write(i * 4L * MiB, DiskContents.Random(i, 4096));
        }

        Assert.That(new FileInfo(path).Length, Is.LessThan(21 * ((2 * MiB) + 4096) + 8192));
        using var opened = DiskImages.Open(path);
        Assert.That(opened.Check(), Is.Empty);
    }

    [Test]
    public void Write_BesideReadersAndFlushes_LosesNothing()
    {
        var path = folder.File("parallel.vhd");
        byte[] expected;
        using (var image = DiskImages.Create(path, ImageFormat.Vhd, 36 * MiB)) expected = ParallelWriters.Write(image);

        Judge(path, expected);
    }

    [Test]
    public void Write_ToADiskWithADamagedFooter_MakesBothSoundAgain([Values] bool isFront)
    {
        var path = folder.File("damaged.vhd");
        var mirror = new byte[9 * MiB];
        using (var image = DiskImages.Create(path, ImageFormat.Vhd, mirror.Length)) Work(image, mirror, 1);
        var bytes = File.ReadAllBytes(path);
        bytes[(isFront ? 0 : bytes.Length - 512) + 50] ^= 1;
        File.WriteAllBytes(path, bytes);
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Format = ImageFormat.Vhd, Writable = true }))
        {
            Assert.That(image.Check().Count(f => f.Message.Contains("mends it", StringComparison.Ordinal)), Is.EqualTo(1));
            Work(image, mirror, 2);
        }

        Judge(path, mirror);
        new VhdReferee(path).ReadAll().MustBe(mirror, "referee");
        using var opened = DiskImages.Open(path);
        Assert.That(opened.Check().Where(f => f.Message.Contains("footer", StringComparison.Ordinal)), Is.Empty);
    }

    [Test]
    public void Write_IntoABlockWithClearBits_SetsThemForReadersThatGoByThem()
    {
        var forge = new VhdForge { Size = 4 * MiB, Creator = "win " };
        var data = new byte[2 * MiB];
        DiskContents.Random(1, 4096).CopyTo(data, 0);
        forge.Blocks.Add((1, [0xFF], data));
        var path = folder.File("bits.vhd");
        File.WriteAllBytes(path, forge.Build());
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true })) image.Write(3 * MiB, DiskContents.Random(2, 1000));
        var expected = new byte[4 * MiB];
        DiskContents.Random(1, 4096).CopyTo(expected, 2 * MiB);
        DiskContents.Random(2, 1000).CopyTo(expected, 3 * MiB);
        new VhdReferee(path).ReadAll().MustBe(expected, "referee, which honours the bitmap");
        Judge(path, expected);
    }

    [Test]
    [Variant("VHD", "differencing, chains of three over dynamic and fixed", Referee = "generator, 7-Zip", IsWritten = true)]
    public void Differencing_AfterRandomWork_IsTheSameDiskToOthers([Values("dynamic", "fixed")] string below)
    {
        var mirror = new byte[(9 * MiB) + 512];
        using (var image = DiskImages.Create(folder.File("base.vhd"), ImageFormat.Vhd, mirror.Length, new ImageCreateOptions { Subformat = below })) Work(image, mirror, 1);
        using (var image = Overlay("middle.vhd", "base.vhd")) Work(image, mirror, 2);
        new VhdReferee(folder.File("middle.vhd")).ReadAll().MustBe(mirror, "referee");
        using (var image = Overlay("top.vhd", "middle.vhd")) Work(image, mirror, 3);
        using (var image = DiskImages.Open(folder.File("top.vhd"), new ImageOpenOptions { Writable = true }))
        {
            Work(image, mirror, 4);
            Assert.That(image.Files, Has.Count.EqualTo(3));
        }

        new VhdReferee(folder.File("top.vhd")).ReadAll().MustBe(mirror, "referee");
        DiskContents.ReadBy7Zip(folder, folder.File("top.vhd")).MustBe(mirror, "7-Zip");
        Assert.That(ExternalTool.Run("vhdiinfo", folder.File("top.vhd")), Does.Contain("Differential"));
        using var opened = DiskImages.Open(folder.File("top.vhd"));
        DiskContents.ReadAll(opened).MustBe(mirror);
        opened.ReadByMap().MustBe(mirror, "by the map");
        Assert.That(opened.Check().Where(f => f.IsDamage), Is.Empty);
        Assert.That(opened.Description.BackingFile, Is.EqualTo(@".\middle.vhd"));
    }

    /// <summary>A differencing VHD has no word for zeros but blocks of them: those are holes, and where the parent has none but zeros there is no block.</summary>
    [Test]
    public void Zero_OverAParent_MakesHoles()
    {
        using (var image = DiskImages.Create(folder.File("base.vhd"), ImageFormat.Vhd, 64 * MiB)) image.Write(0, DiskContents.Random(1, 8 * MiB));
        using (var image = Overlay("top.vhd", "base.vhd")) image.Zero(512, (64 * MiB) - 1024);
        var expected = new byte[64 * MiB];
        DiskContents.Random(1, 512).CopyTo(expected, 0);
        using var opened = DiskImages.Open(folder.File("top.vhd"));
        DiskContents.ReadAll(opened).MustBe(expected);
        Assert.That(new FileInfo(folder.File("top.vhd")).Length, Is.LessThan(4 * ((2 * MiB) + 8192)));
        Assert.That(long.Parse(ExternalTool.Run("stat", "-c", "%b", folder.File("top.vhd")), System.Globalization.CultureInfo.InvariantCulture) * 512, Is.LessThan(128 << 10));
        Assert.That(opened.Map(512, (8 * MiB) - 512).Select(r => (r.State, r.Depth)).Distinct(), Is.EqualTo(new[] { (Blocks.BlockState.Zero, 0) }));
    }

    private IDiskImage Overlay(string path, string parent) =>
        DiskImages.CreateOverlay(folder.File(path), ImageFormat.Vhd, new ImageCreateOptions { Backing = new ImageBacking(parent, ImageFormat.Vhd) });

    private void Judge(string path, byte[] mirror)
    {
        QemuImg.Contents(path, "vpc").MustBe(mirror, "qemu");
        DiskContents.ReadBy7Zip(folder, path).MustBe(mirror, "7-Zip");
        using var opened = DiskImages.Open(path);
        DiskContents.ReadAll(opened).MustBe(mirror);
        opened.ReadByMap().MustBe(mirror, "by the map");
        Assert.That(opened.Check().Where(f => f.IsDamage), Is.Empty);
    }

    private static void Work(IDiskImage image, byte[] mirror, int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < 40; i++)
        {
            var at = random.Next(mirror.Length);
            var count = random.Next(1, Math.Min(mirror.Length - at, i % 4 == 0 ? 5 * MiB : 50_000) + 1);
            if (i % 3 == 2)
            {
                if (i % 2 == 0) image.Punch(at, count);
                else image.Zero(at, count);
                mirror.AsSpan(at, count).Clear();
            }
            else
            {
                var bytes = DiskContents.Random((seed * 100) + i, count);
                image.Write(at, bytes);
                bytes.CopyTo(mirror, at);
            }

            if (i % 7 == 0) image.Flush();
        }
    }
}
