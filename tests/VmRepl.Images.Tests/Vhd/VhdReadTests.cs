using System.Text;
using VmRepl.Blocks;
using VmRepl.Images.Tests.Variants;

namespace VmRepl.Images.Tests.Vhd;

/// <summary>Files that others made: qemu-img, and a generator for what it does not make.</summary>
internal sealed class VhdReadTests
{
    private const int MiB = 1 << 20;

    private TestFolder folder = null!;

    [SetUp]
    public void Make()
    {
        ExternalTool.Require("qemu-img", "qemu-io", "7zz");
        folder = new TestFolder();
    }

    [TearDown]
    public void Remove() => folder?.Dispose();

    [Test]
    [Variant("VHD", "dynamic and fixed of QEMU, sizes by geometry and exact", Referee = "qemu-img", Map = "qemu-img")]
    public void Read_AFileOfQemu_IsItsRawConversion([Values("dynamic", "fixed")] string subformat, [Values("on", "off")] string forceSize, [Values(70 * MiB, 3 * MiB, 512, 1_024_000)] int size)
    {
        var path = folder.File("qemu.vhd");
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "vpc", "-o", $"subformat={subformat},force_size={forceSize}", path, $"{size}");
        List<string> writes = ["write -q -P 1 0 512"];
        if (size > 2 * MiB) writes.Add("write -q -P 3 2M 64k");
        if (size > 40 * MiB) writes.Add("write -q -P 2 33333k 4M");
        QemuImg.Io(path, writes, "vpc");
        using var image = DiskImages.Open(path);
        Assert.That(image.Format, Is.EqualTo(ImageFormat.Vhd), "probed, the fixed one too");
        Assert.That(image.Description.Details["subformat"], Is.EqualTo(subformat));
        var expected = QemuImg.Contents(path, "vpc");
        DiskContents.ReadAll(image).MustBe(expected);
        image.ReadByMap().MustBe(expected, "by the map");
        QemuMapReferee(image, QemuImg.Map(path, "vpc"));
        Assert.That(image.Check(), Is.Empty);
    }

    /// <summary>QEMU goes by the geometry for two creators; we go by Current Size for all, so that nothing of a disk is ever cut off.</summary>
    [TestCase("win ", true)]
    [TestCase("qem2", true)]
    [TestCase("d2v ", true)]
    [TestCase("tap\0", true)]
    [TestCase("CTXS", true)]
    [TestCase("vpc ", false)]
    [TestCase("qemu", false)]
    [Variant("VHD", "creators whose size QEMU takes from the geometry, and those that it does not", Referee = "qemu-img, 7-Zip, generator")]
    public void Length_OfADiskLargerThanItsGeometry_IsTheCurrentSize(string creator, bool isQemusToo)
    {
        var forge = new VhdForge { Size = 4 * MiB, Creator = creator, Geometry = (120, 4, 17) };
        forge.Blocks.Add((1, null, DiskContents.Random(1, 2 * MiB)));
        var path = folder.File("size.vhd");
        File.WriteAllBytes(path, forge.Build());
        var expected = new byte[4 * MiB];
        DiskContents.Random(1, 2 * MiB).CopyTo(expected, 2 * MiB);
        using var image = DiskImages.Open(path);
        DiskContents.ReadAll(image).MustBe(expected);
        Assert.That(image.Description.Details["geometry-size"], Is.EqualTo($"{120 * 4 * 17 * 512}"));
        QemuImg.Contents(path, "vpc").MustBe(isQemusToo ? expected : expected[..(120 * 4 * 17 * 512)], "qemu");
        DiskContents.ReadBy7Zip(folder, path).MustBe(expected, "7-Zip");
    }

    [Test]
    [Variant("VHD", "blocks of 512 bytes to 4 MiB in any order, header and table anywhere, a table with spare entries", Referee = "generator", Map = "generator")]
    public void Read_BlocksOfEverySizeInAnyOrder_IsWhatTheGeneratorWrote([Values(512, 1024, 4096, 65536, 1 << 19, 1 << 22)] int blockSize, [Values(0, 3, 512)] int padding)
    {
        var blocks = Math.Min(40, (8 * MiB) / blockSize);
        var size = ((long)blocks * blockSize) - (blockSize > 512 ? 512 : 0);
        var forge = new VhdForge { Size = size, BlockSize = blockSize, Padding = padding, SpareEntries = 7 };
        var expected = new byte[size];
        foreach (var block in Enumerable.Range(0, blocks).Where(b => b % 3 != 1).OrderBy(b => b * 7919 % blocks))
        {
            var data = DiskContents.Random(block, blockSize);
            forge.Blocks.Add((block, null, data));
            data.AsSpan(0, (int)Math.Min(blockSize, size - ((long)block * blockSize))).CopyTo(expected.AsSpan(block * blockSize));
        }

        var path = folder.File("blocks.vhd");
        File.WriteAllBytes(path, forge.Build());
        using var image = DiskImages.Open(path);
        DiskContents.ReadAll(image).MustBe(expected);
        image.ReadByMap().MustBe(expected, "by the map");
        Assert.That(image.Check().Where(f => f.IsDamage), Is.Empty);
        var bitmapBytes = ((blockSize / 512 / 8) + 511) / 512 * 512;
        foreach (var run in image.Map(0, size).Where(r => r.HasData))
            Assert.That(run.FileOffset, Is.EqualTo(forge.BlockAt[(int)(run.Offset / blockSize)] + Math.Max(bitmapBytes, 512) + (run.Offset % blockSize)));
    }

    [Test]
    [Variant("VHD", "dynamic, sectors whose bit is clear", Referee = "qemu-img")]
    public void Read_ADynamicDiskWithClearBits_GivesWhatTheBlockHolds()
    {
        // A writer that forgot a bit loses nothing, and a sector that was never written is zeros on disk ("Block Allocation Table and Data Blocks").
        var forge = new VhdForge { Size = 2 * MiB, Creator = "win " };
        var data = new byte[2 * MiB];
        DiskContents.Random(1, 8192).CopyTo(data, 0);
        forge.Blocks.Add((0, [0xF0], data));
        var path = folder.File("bits.vhd");
        File.WriteAllBytes(path, forge.Build());
        using var image = DiskImages.Open(path);
        DiskContents.ReadAll(image).MustBe(data);
        QemuImg.Contents(path, "vpc").MustBe(data, "qemu");
    }

    [Test]
    [Variant("VHD", "footer of 511 bytes, of versions before Virtual PC 2004", Referee = "generator, 7-Zip, qemu-img")]
    public void Read_OldFooterOf511Bytes_IsFound([Values(2, 3)] int type)
    {
        var forge = new VhdForge { Size = 2 * MiB, Type = type };
        var data = DiskContents.Random(1, 2 * MiB);
        forge.Blocks.Add((0, null, data));
        var path = folder.File("old.vhd");
        File.WriteAllBytes(path, type == 2 ? [.. data, .. forge.Footer()[..511]] : forge.Build()[..^1]);
        using (var image = DiskImages.Open(path))
        {
            Assert.That(image.Format, Is.EqualTo(ImageFormat.Vhd));
            DiskContents.ReadAll(image).MustBe(data);
            Assert.That(image.Check(), Is.Empty);
        }

        using (var image = DiskImages.Open(path, new() { Writable = true })) image.Write(1000, [1, 2, 3]);
        new byte[] { 1, 2, 3 }.CopyTo(data, 1000);
        QemuImg.Contents(path, "vpc").AsSpan(0, 34 * 1024).ToArray().MustBe(data[..(34 * 1024)], "qemu, which sees the geometry");
        DiskContents.ReadBy7Zip(folder, path).MustBe(data, "7-Zip");
    }

    [Test]
    [Variant("VHD", "one of the two footers damaged", Referee = "generator")]
    public void Read_WithOneFooterDamaged_UsesTheOther([Values] bool isFront, [Values(0, 48, 64, 500)] int at)
    {
        var forge = new VhdForge { Size = 2 * MiB };
        var data = DiskContents.Random(1, 2 * MiB);
        forge.Blocks.Add((0, null, data));
        var bytes = forge.Build();
        bytes[(isFront ? 0 : bytes.Length - 512) + at] ^= 0x40;
        var path = folder.File("one.vhd");
        File.WriteAllBytes(path, bytes);
        using var image = DiskImages.Open(path);
        Assert.That(image.Format, Is.EqualTo(ImageFormat.Vhd), "probed by either");
        DiskContents.ReadAll(image).MustBe(data);
        if (!isFront) QemuImg.Contents(path, "vpc").MustBe(data[..(34 * 1024)], "qemu, which looks at the front alone");
        Assert.That(image.Check().Count(f => f.Message.Contains("mends it", StringComparison.Ordinal)), Is.EqualTo(1));
        bytes[(isFront ? bytes.Length - 512 : 0) + at] ^= 0x40;
        File.WriteAllBytes(path, bytes);
        Assert.That(() => DiskImages.Open(path, new() { Format = ImageFormat.Vhd }), Throws.TypeOf<ImageFormatException>().With.Message.Contains("footer"));
    }

    [Test]
    [Variant("VHD", "front copy of the footer gone, dynamic and differencing, footers of 512 and 511 bytes at the end, probed", Referee = "generator")]
    public void Probe_OfADynamicDiskWithoutItsFront_FindsTheFooterAtTheEnd([Values(0, 1, 511)] int padding, [Values(512, 511)] int footer, [Values("zeros", "random")] string front)
    {
        var forge = new VhdForge { Size = 6 * MiB, Padding = padding };
        var data = DiskContents.Random(1, 2 * MiB);
        forge.Blocks.Add((1, null, data));
        byte[] expected = [.. new byte[2 * MiB], .. data, .. new byte[2 * MiB]];
        var bytes = forge.Build()[..^(512 - footer)];
        (front == "zeros" ? new byte[512] : DiskContents.Random(2, 512)).CopyTo(bytes, 0);
        bytes[510] = 0;
        var path = folder.File("frontless.vhd");
        File.WriteAllBytes(path, bytes);
        using (var image = DiskImages.Open(path))
        {
            Assert.That(image.Format, Is.EqualTo(ImageFormat.Vhd));
            DiskContents.ReadAll(image).MustBe(expected);
        }

        // What a guest has begun to use again is its disk, whatever it still has of a VHD.
        (bytes[510], bytes[511]) = (0x55, 0xAA);
        File.WriteAllBytes(path, bytes);
        using (var image = DiskImages.Open(path)) Assert.That(image.Format, Is.EqualTo(ImageFormat.Raw), "a boot sector");
        (bytes[510], bytes[511]) = (0, 0);
        bytes[forge.HeaderAt + 700] ^= 1;
        File.WriteAllBytes(path, bytes);
        using (var image = DiskImages.Open(path)) Assert.That(image.Format, Is.EqualTo(ImageFormat.Raw), "a damaged header");
    }

    [Test]
    [Variant("VHD", "front copy of the footer gone, of a file of QEMU", Referee = "libvhdi (vhdimount), qemu-img (before the damage)")]
    public void Probe_OfAFileOfQemuWithoutItsFront_IsTheSameDiskToLibvhdi()
    {
        var path = folder.File("frontless.vhd");
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "vpc", "-o", "force_size=on", path, "70M");
        QemuImg.Io(path, ["write -q -P 7 3M 1M", "write -q -P 8 66M 4M"], "vpc");
        var expected = QemuImg.Contents(path, "vpc");
        using (var file = File.OpenWrite(path)) file.Write(new byte[512]);
        using (var image = DiskImages.Open(path)) DiskContents.ReadAll(image).MustBe(expected);
        DiskContents.ReadByLibvhdi(folder, path).MustBe(expected, "libvhdi");
    }

    [Test]
    public void Open_WithTwoSoundFootersThatDiffer_GoesByTheOneAtTheEnd()
    {
        var forge = new VhdForge { Size = 6 * MiB };
        var data = DiskContents.Random(1, 2 * MiB);
        forge.Blocks.Add((0, null, data));
        var bytes = forge.Build();
        new VhdForge { Size = 2 * MiB, Id = Guid.NewGuid() }.Footer().CopyTo(bytes, 0);
        var path = folder.File("two.vhd");
        File.WriteAllBytes(path, bytes);
        using (var image = DiskImages.Open(path))
        {
            DiskContents.ReadAll(image).MustBe([.. data, .. new byte[4 * MiB]]);
            Assert.That(image.Check().Select(f => (f.IsDamage, f.Message.Contains("the one at the end counts", StringComparison.Ordinal))), Is.EqualTo(new[] { (false, true) }));
        }

        // A fixed footer there as well: a guest cannot write behind its disk, so the end is the format's own word.
        new VhdForge { Size = bytes.Length - 512, Type = 2 }.Footer().CopyTo(bytes, bytes.Length - 512);
        File.WriteAllBytes(path, bytes);
        using (var image = DiskImages.Open(path)) Assert.That(image.Description.Details["subformat"], Is.EqualTo("fixed"));
    }

    [Test]
    public void Probe_OfAFixedDiskWhoseGuestBeganItLikeAnotherFormat_RefusesToChoose()
    {
        var path = folder.File("guest.vhd");
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "qcow2", path, $"{MiB}");
        var data = File.ReadAllBytes(path);
        Array.Resize(ref data, (data.Length + 511) / 512 * 512);
        File.WriteAllBytes(path, [.. data, .. new VhdForge { Size = data.Length, Type = 2 }.Footer()]);
        Assert.That(() => DiskImages.Open(path), Throws.TypeOf<ImageFormatException>().With.Message.Contains("qcow2 by the first bytes and vhd by the last"));
        using (var image = DiskImages.Open(path, new() { Format = ImageFormat.Vhd })) DiskContents.ReadAll(image).MustBe(data);
        using (var image = DiskImages.Open(path, new() { Format = ImageFormat.Qcow2 })) DiskContents.ReadAll(image).MustBe(new byte[MiB]);
        // The end of any other is no sign: a guest's last cluster may hold what it likes.
        File.WriteAllBytes(path, [.. data, .. new VhdForge { Size = data.Length + 512, Type = 2 }.Footer()]);
        using (var image = DiskImages.Open(path)) Assert.That(image.Format, Is.EqualTo(ImageFormat.Qcow2));
    }

    [Test]
    public void Read_AFixedDiskWhoseGuestWroteAFooterIntoItsFirstSector_IsTheFixedDisk()
    {
        var data = DiskContents.Random(1, 2 * MiB);
        new VhdForge { Size = 1 * MiB, Type = 4 }.Footer().CopyTo(data, 0);
        var path = folder.File("trick.vhd");
        File.WriteAllBytes(path, [.. data, .. new VhdForge { Size = 2 * MiB, Type = 2 }.Footer()]);
        using var image = DiskImages.Open(path);
        Assert.That(image.Description.Details["subformat"], Is.EqualTo("fixed"));
        DiskContents.ReadAll(image).MustBe(data);
    }

    [Test]
    public void Probe_OfARawDiskThatEndsLikeAVhd_IsRawUnlessEveryFieldFits()
    {
        var path = folder.File("raw");
        foreach (var (footer, isVhd) in new (byte[], bool)[]
        {
            (new VhdForge { Size = MiB, Type = 2 }.Footer(), true),
            (new VhdForge { Size = MiB + 512, Type = 2 }.Footer(), false),
            (new VhdForge { Size = MiB - 512, Type = 2 }.Footer(), false),
            (new VhdForge { Size = MiB, Type = 3 }.Footer(), false),
            ([.. "conectix"u8, .. new byte[504]], false),
            (new byte[512], false),
        })
        {
            File.WriteAllBytes(path, [.. DiskContents.Random(1, MiB), .. footer]);
            using var image = DiskImages.Open(path);
            Assert.That(image.Format, Is.EqualTo(isVhd ? ImageFormat.Vhd : ImageFormat.Raw));
        }

        File.WriteAllBytes(path, []);
        using var empty = DiskImages.Open(path);
        Assert.That(empty.Format, Is.EqualTo(ImageFormat.Raw));
    }

    [Test]
    [Variant("VHD", "differencing over fixed and dynamic, its parent by relative path, file URL, absolute path or name", Referee = "generator, 7-Zip", Map = "generator")]
    public void Read_ADifferencingDisk_MixesSectorsOfChildAndParent([Values(2, 3)] int below, [Values("relative", "url", "absolute", "name")] string naming)
    {
        var parent = new VhdForge { Size = 5 * MiB, Type = below };
        var expected = new byte[5 * MiB];
        DiskContents.Random(1, 2 * MiB).CopyTo(expected, 2 * MiB);
        parent.Blocks.Add((1, null, expected[(2 * MiB)..(4 * MiB)]));
        File.WriteAllBytes(folder.File("parent disk.vhd"), below == 2 ? [.. expected, .. parent.Footer()] : parent.Build());

        var child = new VhdForge { Size = 5 * MiB, Type = 4, ParentId = parent.Id, ParentTime = parent.Time, ParentName = "parent disk.vhd" };
        if (naming == "absolute") child.Locators.Add((VhdForge.Absolute, Encoding.Unicode.GetBytes(@"c:\somewhere\parent disk.vhd")));
        if (naming == "url") child.Locators.Add((VhdForge.Url, Encoding.UTF8.GetBytes("file://./parent%20disk.vhd")));
        if (naming == "relative") child.Locators.Add((VhdForge.Relative, Encoding.Unicode.GetBytes(@".\parent disk.vhd")));
        var (bitmap, own) = (new byte[512], DiskContents.Random(2, 2 * MiB));
        foreach (var sector in new[] { 0, 7, 8, 9, 2000, 4095 })
        {
            bitmap[sector / 8] |= (byte)(0x80 >> (sector % 8));
            own.AsSpan(sector * 512, 512).CopyTo(expected.AsSpan((2 * MiB) + (sector * 512)));
        }

        child.Blocks.Add((1, bitmap, own));
        child.Blocks.Add((0, [0, 0xFF], own));
        own.AsSpan(8 * 512, 8 * 512).CopyTo(expected.AsSpan(8 * 512));
        var path = folder.File("child.vhd");
        File.WriteAllBytes(path, child.Build());
        using var image = DiskImages.Open(path);
        DiskContents.ReadAll(image).MustBe(expected);
        image.ReadByMap().MustBe(expected, "by the map");
        Assert.That(image.Map(2 * MiB, 2 * MiB).Select(r => (r.Offset - (2 * MiB), r.Depth)).ToArray(), Is.EqualTo(new[]
        {
            (0L, 0), (512L, 1), (7 * 512L, 0), (10 * 512L, 1), (2000 * 512L, 0), (2001 * 512L, 1), (4095 * 512L, 0),
        }));
        Assert.That(image.Map(4 * MiB, MiB).Single().State, Is.EqualTo(below == 2 ? BlockState.Data : BlockState.Unallocated).Or.EqualTo(BlockState.Zero));
        if (naming is "relative" or "absolute") DiskContents.ReadBy7Zip(folder, path).MustBe(expected, "7-Zip");
        Assert.That(image.Check(), Is.Empty);
    }

    [TestCase("id", "Parent Unique ID")]
    [TestCase("time", "Parent Time Stamp")]
    public void Open_AChildOfAnotherDisk_IsRefused(string what, string field)
    {
        var parent = new VhdForge { Size = 2 * MiB };
        File.WriteAllBytes(folder.File("parent.vhd"), parent.Build());
        var child = new VhdForge { Size = 2 * MiB, Type = 4, ParentId = what == "id" ? Guid.NewGuid() : parent.Id, ParentTime = what == "time" ? parent.Time - 1 : parent.Time, ParentName = "parent.vhd" };
        File.WriteAllBytes(folder.File("child.vhd"), child.Build());
        Assert.That(() => DiskImages.Open(folder.File("child.vhd")), Throws.TypeOf<ImageFormatException>().With.Message.Contains(field).And.Message.Contains("another disk"));
    }

    [Test]
    public void Check_OfAChildThatNotesAFileTime_KnowsACopy()
    {
        var parent = new VhdForge { Size = 2 * MiB };
        var path = folder.File("parent.vhd");
        File.WriteAllBytes(path, parent.Build());
        var written = new DateTimeOffset(2026, 3, 4, 5, 6, 7, TimeSpan.Zero);
        File.SetLastWriteTimeUtc(path, written.UtcDateTime);
        var noted = (uint)(written - new DateTimeOffset(2000, 1, 1, 0, 0, 0, TimeSpan.Zero)).TotalSeconds;
        File.WriteAllBytes(folder.File("child.vhd"), new VhdForge { Size = 2 * MiB, Type = 4, ParentId = parent.Id, ParentTime = noted, ParentName = "parent.vhd" }.Build());
        using (var image = DiskImages.Open(folder.File("child.vhd"))) Assert.That(image.Check(), Is.Empty);
        File.SetLastWriteTimeUtc(path, written.UtcDateTime.AddHours(1));
        using (var image = DiskImages.Open(folder.File("child.vhd")))
            Assert.That(image.Check().Select(f => (f.IsDamage, f.Message.Contains("copied", StringComparison.Ordinal))), Is.EqualTo(new[] { (false, true) }));
    }

    /// <summary>Both maps call the same ranges data; qemu-img cuts fixed disks at the host's holes, and says nothing of holes inside blocks.</summary>
    private static void QemuMapReferee(IDiskImage image, List<QemuMapRun> referee)
    {
        var theirs = new ExtentSet(referee.Where(r => r.HasData && !r.Zero).Select(r => r.Extent));
        foreach (var run in image.Map(0, image.Length))
        {
            if (run.State == BlockState.Data) Assert.That(theirs.Contains(run.Extent), $"{run} is no data to qemu-img");
            if (run.State == BlockState.Unallocated) Assert.That(theirs.Overlaps(run.Extent), Is.False, $"{run} is data to qemu-img");
            if (run.State != BlockState.Data) continue;
            var there = referee.First(r => r.Extent.Offset <= run.Offset && r.Extent.End > run.Offset);
            Assert.That(run.FileOffset, Is.EqualTo(there.Offset + (run.Offset - there.Extent.Offset)));
        }
    }
}
