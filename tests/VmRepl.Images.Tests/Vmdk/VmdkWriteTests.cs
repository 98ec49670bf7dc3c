using VmRepl.Images.Opening;
using VmRepl.Images.Tests.Variants;

namespace VmRepl.Images.Tests.Vmdk;

/// <summary>Files that are made or changed here, judged by others.</summary>
internal sealed class VmdkWriteTests
{
    private const int MiB = 1 << 20;
    private readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    [Variant("VMDK", "monolithicSparse, created and written", Referee = "qemu-img, 7-Zip, vmdkinfo", IsWritten = true)]
    [TestCase(70 * MiB)]
    [TestCase((70 * MiB) + 512)]
    [TestCase(512)]
    public void Create_ThenWritten_IsReadByQemu7ZipAndLibvmdk(int length)
    {
        ExternalTool.Require("qemu-img", "7zz", "vmdkinfo");
        var path = folder.File($"new{length}.vmdk");
        var expected = new byte[length];
        var random = new Random(7);
        DiskImages.Create(path, ImageFormat.Vmdk, length).Dispose();
        for (var session = 0; session < 2; session++)
        {
            using var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true, Format = ImageFormat.Vmdk });
            Change(image, expected, random);
            DiskContents.RequireSame(DiskContents.ReadAll(image), expected);
        }

        DiskContents.RequireSame(DiskContents.ReadByQemu(folder, "vmdk", path), expected, "qemu");
        DiskContents.RequireSame(DiskContents.ReadBy7Zip(folder, path), expected, "7-Zip");
        Assert.That(ExternalTool.Run("qemu-img", "check", "-f", "vmdk", path), Does.Contain("No errors"));
        Assert.That(ExternalTool.Run("vmdkinfo", path), Does.Contain("Monolithic sparse").IgnoreCase.And.Contain($"({length} bytes)"));
        using var opened = DiskImages.Open(path);
        Assert.That(opened.Check(), Is.Empty, "and closed cleanly");
    }

    [Test]
    public void Create_OfABigDisk_IsThinAndReadable([Values(1L << 40, 62L << 40)] long length)
    {
        ExternalTool.Require("qemu-img");
        var path = folder.File($"big{length}.vmdk");
        using (var image = DiskImages.Create(path, ImageFormat.Vmdk, length))
        {
            image.Write(length - 512, DiskContents.Random(1, 512));
            image.Flush();
        }

        var used = long.Parse(ExternalTool.Run("stat", "-c", "%b", path), System.Globalization.CultureInfo.InvariantCulture) * 512;
        Assert.That(used, Is.LessThan(20L * MiB));
        using var opened = DiskImages.Open(path);
        var bytes = new byte[512];
        opened.Read(length - 512, bytes);
        DiskContents.RequireSame(bytes, DiskContents.Random(1, 512));
    }

    [Variant("VMDK", "monolithicSparse, monolithicFlat and twoGbMaxExtentSparse of QEMU, written to", Referee = "qemu-img", IsWritten = true)]
    [TestCase("monolithicSparse")]
    [TestCase("monolithicFlat")]
    [TestCase("twoGbMaxExtentSparse")]
    public void Write_ToAFileOfQemu_KeepsTheRestAndIsReadByQemu(string subformat)
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        var path = folder.File($"qemu-{subformat}.vmdk");
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "vmdk", "-o", $"subformat={subformat}", path, "20M");
        ExternalTool.Run("qemu-io", "-f", "vmdk", "-c", "write -P 7 0 10M", path);
        var expected = new byte[20 * MiB];
        expected.AsSpan(0, 10 * MiB).Fill(7);
        string before;
        using (var reader = DiskImages.Open(path)) before = reader.Description.Details["cid"];
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true }))
        {
            var random = DiskContents.Random(5, 3 * MiB);
            image.Write((8 * MiB) + 100, random);
            random.CopyTo(expected, (8 * MiB) + 100);
            image.Punch((2 * MiB) + 100, 3 * MiB);
            expected.AsSpan((2 * MiB) + 100, 3 * MiB).Clear();
        }

        using (var reader = DiskImages.Open(path))
        {
            DiskContents.RequireSame(DiskContents.ReadAll(reader), expected);
            Assert.That(reader.Description.Details["cid"], Is.Not.EqualTo(before), "a delta on the former contents must notice");
        }

        DiskContents.RequireSame(DiskContents.ReadByQemu(folder, "vmdk", path), expected, "qemu");
    }

    [TestCase("1234567")]
    [TestCase("8765")]
    public void Write_ToADiskWithAShortContentIdentifier_ChangesItInItsPlace(string cid)
    {
        ExternalTool.Require("qemu-img");
        File.WriteAllBytes(folder.File("short-flat.raw"), new byte[MiB]);
        var path = folder.File($"short{cid}.vmdk");
        var text = $"# Disk DescriptorFile\nversion=1\nCID={cid}\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 2048 FLAT \"short-flat.raw\" 0\n";
        File.WriteAllText(path, text);
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true })) image.Write(0, new byte[512]);
        var after = File.ReadAllText(path);
        Assert.That(after, Has.Length.EqualTo(text.Length).And.Not.EqualTo(text));
        Assert.That(ExternalTool.Run("qemu-img", "info", "-f", "vmdk", path), Does.Contain("monolithicFlat"));
    }

    [Test]
    public void Punch_OfWholeGrains_GivesTheirSpaceBackAndUsesItAgain()
    {
        var path = folder.File("punch.vmdk");
        using var image = DiskImages.Create(path, ImageFormat.Vmdk, 64 * MiB);
        image.Write(0, DiskContents.Random(1, 8 * MiB));
        image.Flush();
        var length = new FileInfo(path).Length;
        image.Punch(0, 8 * MiB);
        image.Flush();
        image.Write(40 * MiB, DiskContents.Random(2, 5000));
        image.Write(50 * MiB, DiskContents.Random(3, 7 * MiB));
        image.Flush();
        Assert.That(new FileInfo(path).Length, Is.EqualTo(length));
        var expected = new byte[64 * MiB];
        DiskContents.Random(2, 5000).CopyTo(expected, 40 * MiB);
        DiskContents.Random(3, 7 * MiB).CopyTo(expected, 50 * MiB);
        DiskContents.RequireSame(DiskContents.ReadAll(image), expected);
    }

    [Test]
    public void Write_WithoutClosing_LeavesTheUncleanFlag()
    {
        var path = folder.File("unclean.vmdk");
        using var image = DiskImages.Create(path, ImageFormat.Vmdk, 8 * MiB);
        image.Write(0, DiskContents.Random(1, 4096));
        image.Flush();
        using var other = DiskImages.Open(path);
        Assert.That(other.Check().Select(f => (f.IsDamage, f.Message.Contains("cleanly", StringComparison.Ordinal))), Is.EqualTo(new[] { (false, true) }));
    }

    private static void Change(IDiskImage image, byte[] expected, Random random)
    {
        for (var i = 0; i < 40; i++)
        {
            var at = random.Next(expected.Length);
            var count = random.Next(1, Math.Min(expected.Length - at, i % 4 == 0 ? 5 * MiB : 50_000) + 1);
            if (i % 3 == 2)
            {
                if (i % 2 == 0) image.Punch(at, count);
                else image.Zero(at, count);
                expected.AsSpan(at, count).Clear();
            }
            else
            {
                var bytes = DiskContents.Random(i, count);
                image.Write(at, bytes);
                bytes.CopyTo(expected, at);
            }

            if (i % 7 == 0) image.Flush();
        }
    }
}
