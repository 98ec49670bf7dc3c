using VmRepl.Blocks;
using VmRepl.Images.Opening;
using VmRepl.Images.Tests.Qcow2;
using VmRepl.Images.Tests.Variants;

namespace VmRepl.Images.Tests.Overlays;

/// <summary>Overlays that are made and written here, judged by qemu-img, by 7-Zip, and, for differencing VHDX, by a reader that shares no line with ours.</summary>
internal sealed class OverlayWriteTests
{
    private const int Length = (5 << 20) + (3 * 4096);

    private TestFolder folder = null!;

    [SetUp]
    public void Make()
    {
        ExternalTool.Require("qemu-img", "7zz");
        folder = new TestFolder();
    }

    [TearDown]
    public void Remove() => folder?.Dispose();

    [Variant("QCOW2", "overlay, created over any format and written", Referee = "qemu-img, qemu-img check", IsWritten = true)]
    [Test]
    public void Qcow2Overlay_OfAnyFormat_IsTheSameDiskToQemu([Values] ImageFormat format)
    {
        var mirror = MakeBase("base", format, Length);
        var before = File.ReadAllBytes(folder.File("base"));
        var top = folder.File("top.qcow2");
        using (var image = Overlay(top, ImageFormat.Qcow2, "base", format))
        {
            Assert.That(image.Length, Is.EqualTo(Length));
            Qcow2WriterTests.WorkAtRandom(image, mirror, 3, 60);
        }

        QemuImg.MustBeClean(top);
        QemuImg.Contents(top).MustBe(mirror);
        Read(top, ImageFormat.Qcow2).MustBe(mirror);
        File.ReadAllBytes(folder.File("base")).MustBe(before);
    }

    [Test]
    public void Qcow2Overlay_LongerThanItsParent_HasZerosBehindIt()
    {
        var mirror = MakeBase("base", ImageFormat.Raw, Length);
        Array.Resize(ref mirror, 2 * Length);
        var top = folder.File("top.qcow2");
        using (var image = DiskImages.CreateOverlay(top, ImageFormat.Qcow2, new ImageCreateOptions { Backing = new ImageBacking("base", ImageFormat.Raw) }, 2 * Length))
            Qcow2WriterTests.WorkAtRandom(image, mirror, 4, 40);
        QemuImg.MustBeClean(top);
        QemuImg.Contents(top).MustBe(mirror);
    }

    [Test]
    public void Qcow2Overlay_RebasedAndCommittedByQemu_KeepsItsContents()
    {
        var mirror = MakeBase("base", ImageFormat.Qcow2, Length);
        var top = folder.File("top.qcow2");
        using (var image = Overlay(top, ImageFormat.Qcow2, "base", ImageFormat.Qcow2)) Qcow2WriterTests.WorkAtRandom(image, mirror, 5, 40);
        File.Copy(folder.File("base"), folder.File("other"));
        ExternalTool.Run("qemu-img", "rebase", "-f", "qcow2", "-b", "other", "-F", "qcow2", top);
        QemuImg.Contents(top).MustBe(mirror);
        ExternalTool.Run("qemu-img", "commit", "-q", "-f", "qcow2", top);
        QemuImg.Contents(folder.File("other")).MustBe(mirror);
    }

    [Variant("VMDK", "delta over sparse and flat disks, created and written", Referee = "qemu-img", IsWritten = true)]
    [Test]
    public void VmdkDelta_AfterRandomWork_IsTheSameDiskToQemu([Values("monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse")] string below)
    {
        ExternalTool.Require("qemu-io");
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "vmdk", "-o", $"subformat={below}", folder.File("base.vmdk"), $"{Length}");
        QemuImg.Io(folder.File("base.vmdk"), ["write -q -P 7 0 3M", "write -q -P 9 4M 100k"], "vmdk");
        var mirror = Read(folder.File("base.vmdk"), ImageFormat.Vmdk);
        var middle = folder.File("middle.vmdk");
        using (var image = Overlay(middle, ImageFormat.Vmdk, "base.vmdk", ImageFormat.Vmdk)) Qcow2WriterTests.WorkAtRandom(image, mirror, 6, 40);
        DiskContents.ReadByQemu(folder, "vmdk", middle).MustBe(mirror, "qemu, one delta");
        var top = folder.File("top.vmdk");
        using (var image = Overlay(top, ImageFormat.Vmdk, "middle.vmdk", ImageFormat.Vmdk)) Qcow2WriterTests.WorkAtRandom(image, mirror, 7, 30);
        using (var image = DiskImages.Open(top, new ImageOpenOptions { Writable = true })) Qcow2WriterTests.WorkAtRandom(image, mirror, 8, 30);
        DiskContents.ReadByQemu(folder, "vmdk", top).MustBe(mirror, "qemu, two deltas");
        Assert.That(ExternalTool.Run("qemu-img", "check", "-f", "vmdk", top), Does.Contain("No errors"));
        Read(top, ImageFormat.Vmdk).MustBe(mirror);
    }

    [Variant("VMDK", "delta of QEMU, written to, with zeroed grains and without", Referee = "qemu-img", IsWritten = true)]
    [Test]
    public void VmdkDelta_OfQemu_WrittenHere_IsTheSameDiskToQemu([Values("off", "on")] string zeroedGrain)
    {
        ExternalTool.Require("qemu-io");
        var mirror = MakeBase("base.vmdk", ImageFormat.Vmdk, Length);
        var top = folder.File("top.vmdk");
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "vmdk", "-o", $"zeroed_grain={zeroedGrain}", "-b", "base.vmdk", "-F", "vmdk", top);
        using (var image = DiskImages.Open(top, new ImageOpenOptions { Writable = true }))
        {
            image.Punch(0, 3 << 20);
            mirror.AsSpan(0, 3 << 20).Clear();
            Qcow2WriterTests.WorkAtRandom(image, mirror, 9, 60);
        }

        DiskContents.ReadByQemu(folder, "vmdk", top).MustBe(mirror, "qemu");
        Read(top, ImageFormat.Vmdk).MustBe(mirror);
    }

    [Variant("VHDX", "differencing, created and written, 512 and 4096-byte sectors", Referee = "7-Zip, a reader of the tests", IsWritten = true)]
    [Test]
    public void VhdxDifferencing_AfterRandomWork_IsTheSameDiskToOthers([Values(512, 4096)] int sectorSize)
    {
        var mirror = MakeBase("base.vhdx", ImageFormat.Vhdx, Length, sectorSize);
        var middle = folder.File("middle.vhdx");
        using (var image = Overlay(middle, ImageFormat.Vhdx, "base.vhdx", ImageFormat.Vhdx))
        {
            Assert.That(image.SectorSize, Is.EqualTo(sectorSize));
            Qcow2WriterTests.WorkAtRandom(image, mirror, 6, 60);
        }

        Judge(middle, ["base.vhdx"], mirror, sectorSize);
        var top = folder.File("top.vhdx");
        using (var image = Overlay(top, ImageFormat.Vhdx, "middle.vhdx", ImageFormat.Vhdx)) Qcow2WriterTests.WorkAtRandom(image, mirror, 7, 40);
        using (var image = DiskImages.Open(top, new ImageOpenOptions { Writable = true })) Qcow2WriterTests.WorkAtRandom(image, mirror, 8, 40);
        Judge(top, ["middle.vhdx", "base.vhdx"], mirror, sectorSize);
    }

    /// <summary>Only with writes: under a block of zeros libvhdi shows the parent.</summary>
    [Variant("VHDX", "differencing, created and written, without zeros", Referee = "libvhdi (vhdimount)", IsWritten = true)]
    [Test]
    public void VhdxDifferencing_AfterRandomWrites_IsTheSameDiskToLibvhdi([Values(512, 4096)] int sectorSize)
    {
        var mirror = MakeBase("base.vhdx", ImageFormat.Vhdx, Length, sectorSize);
        var top = folder.File("top.vhdx");
        using (var image = Overlay(top, ImageFormat.Vhdx, "base.vhdx", ImageFormat.Vhdx))
        {
            var random = new Random(sectorSize);
            for (var i = 0; i < 60; i++)
            {
                var at = random.Next(Length);
                var count = random.Next(1, Math.Min(Length - at, i % 5 == 0 ? 300_000 : 3000) + 1);
                DiskContents.Random(i, count).CopyTo(mirror, at);
                image.Write(at, mirror.AsSpan(at, count));
            }
        }

        DiskContents.ReadByLibvhdi(folder, top, layer: 2).MustBe(mirror, "libvhdi");
    }

    [Variant("VHDX", "differencing over several chunks", Referee = "a reader of the tests", IsWritten = true)]
    [Test]
    public void VhdxDifferencing_OverSeveralChunks_IsTheSameDiskToOthers()
    {
        // A chunk of 512-byte sectors is 4 GiB: writes beside both ends of three of them.
        const long length = 10L << 30;
        var parent = folder.File("base.vhdx");
        (long Offset, int Length)[] ranges = [(0, 8192), ((4L << 30) - 4096, 8192), ((8L << 30) - 512, 1024), (length - 4096, 4096)];
        using (var image = DiskImages.Create(parent, ImageFormat.Vhdx, length))
        {
            foreach (var (offset, count) in ranges) image.Write(offset, DiskContents.Random(1, count));
        }

        var top = folder.File("top.vhdx");
        using (var image = Overlay(top, ImageFormat.Vhdx, "base.vhdx", ImageFormat.Vhdx))
        {
            foreach (var (offset, _) in ranges) image.Write(offset + 512, DiskContents.Random(2, 512));
            image.Flush();
            image.Zero(ranges[1].Offset + 2048, 1000);
        }

        using var opened = DiskImages.Open(top);
        Assert.That(opened.Check().Where(f => f.IsDamage), Is.Empty);
        var referee = new VhdxReferee(top, parent);
        foreach (var (offset, count) in ranges)
        {
            var expected = DiskContents.Random(1, count);
            DiskContents.Random(2, 512).CopyTo(expected, 512);
            if (offset == ranges[1].Offset) expected.AsSpan(2048, 1000).Clear();
            var found = new byte[count];
            opened.Read(offset, found);
            found.MustBe(expected, $"at {offset}");
            referee.Read(offset, count).MustBe(expected, $"referee at {offset}");
        }
    }

    [Test]
    public void Overlay_WhoseParentWasWrittenSince_IsRefused([Values(ImageFormat.Vhdx, ImageFormat.Vmdk, ImageFormat.Vhd)] ImageFormat format)
    {
        MakeBase("base", format, Length);
        Overlay(folder.File("top"), format, "base", format).Dispose();
        DiskImages.Open(folder.File("top")).Dispose();
        using (var image = DiskImages.Open(folder.File("base"), new ImageOpenOptions { Writable = true })) image.Write(0, new byte[512]);
        foreach (var writable in new[] { false, true })
            Assert.That(() => DiskImages.Open(folder.File("top"), new ImageOpenOptions { Writable = writable }), Throws.TypeOf<ImageFormatException>().With.Message.Contains("another disk"));
    }

    [Test]
    public void Zero_OverAParent_TakesNoSpace([Values(ImageFormat.Qcow2, ImageFormat.Vhdx, ImageFormat.Vmdk)] ImageFormat format)
    {
        MakeBase("base", format, Length);
        using var image = Overlay(folder.File("top"), format, "base", format);
        var before = new FileInfo(folder.File("top")).Length;
        image.Zero(0, Length);
        image.Flush();
        Assert.That(DiskContents.ReadAll(image), Is.All.Zero);
        // QCOW2 takes a table, the others have theirs already.
        Assert.That(new FileInfo(folder.File("top")).Length, Is.LessThanOrEqualTo(before + (format == ImageFormat.Qcow2 ? 65536 : 0)));
        Assert.That(DiskContents.DataOf(image, 0, Length).Extents, Is.Empty);
    }

    [Test]
    public void Overlay_OverAParentOfAnotherKind_IsRefusedByName()
    {
        MakeBase("base", ImageFormat.Raw, Length);
        foreach (var format in new[] { ImageFormat.Vhdx, ImageFormat.Vmdk, ImageFormat.Raw })
            Assert.That(() => Overlay(folder.File($"top{format}"), format, "base", ImageFormat.Raw), Throws.TypeOf<NotSupportedException>());
        Assert.That(() => Overlay(folder.File("none"), ImageFormat.Qcow2, "missing", ImageFormat.Raw), Throws.TypeOf<ImageFormatException>());
        Assert.That(() => Overlay(folder.File("none"), ImageFormat.Qcow2, "/etc/passwd", ImageFormat.Raw), Throws.TypeOf<ReferenceRefusedException>());
        Assert.That(File.Exists(folder.File("none")), Is.False, "nothing is made before the parent is open");
    }

    [Test]
    public void ConcurrentWritesOfOtherSectors_OverAParent_AllArrive([Values(ImageFormat.Qcow2, ImageFormat.Vhdx, ImageFormat.Vmdk, ImageFormat.Vhd)] ImageFormat format)
    {
        const int piece = 3 * 512;
        var mirror = MakeBase("base", format, Length);
        var starts = Enumerable.Range(0, Length / piece).Where(i => i % 3 != 0).Select(i => i * piece).ToArray();
        new Random(3).Shuffle(starts);
        var news = DiskContents.Random(77, Length);
        foreach (var start in starts) news.AsSpan(start, piece).CopyTo(mirror.AsSpan(start));
        using (var image = Overlay(folder.File("top"), format, "base", format))
        {
            Parallel.ForEach(starts, new ParallelOptions { MaxDegreeOfParallelism = 4 }, start =>
            {
                image.Write(start, news.AsSpan(start, piece));
                if (start % 1000 == 0) image.Flush();
            });
            DiskContents.ReadAll(image).MustBe(mirror);
        }

        Read(folder.File("top"), format).MustBe(mirror);
    }

    private void Judge(string top, string[] parents, byte[] mirror, int sectorSize)
    {
        Read(top, ImageFormat.Vhdx).MustBe(mirror);
        VhdxReferee? behind = null;
        foreach (var parent in parents.Reverse()) behind = new VhdxReferee(folder.File(parent), behind);
        new VhdxReferee(top, behind).Read(0, mirror.Length).MustBe(mirror, "referee");
        // 7-Zip 22.01 opens 4096-byte sectors and it opens chains, and both together it does not.
        if (sectorSize == 512) DiskContents.ReadBy7Zip(folder, top).MustBe(mirror, "7-Zip");
    }

    private static IDiskImage Overlay(string path, ImageFormat format, string parent, ImageFormat parentFormat) =>
        DiskImages.CreateOverlay(path, format, new ImageCreateOptions { Backing = new ImageBacking(parent, parentFormat) });

    /// <summary>A base with data, zeros and holes; returns its contents.</summary>
    private byte[] MakeBase(string name, ImageFormat format, int length, int sectorSize = 512)
    {
        var contents = new byte[length];
        using var image = DiskImages.Create(folder.File(name), format, length, new ImageCreateOptions { SectorSize = sectorSize });
        foreach (var (offset, count) in new[] { (4096, 3_000_000), (3_500_000, 70_000), (4_300_000, 900_000) })
        {
            DiskContents.Random(offset, count).CopyTo(contents, offset);
            image.Write(offset, contents.AsSpan(offset, count));
        }

        return contents;
    }

    private static byte[] Read(string path, ImageFormat format)
    {
        using var image = DiskImages.Open(path, new ImageOpenOptions { Format = format });
        Assert.That(image.Check().Where(f => f.IsDamage), Is.Empty);
        return DiskContents.ReadAll(image);
    }
}
