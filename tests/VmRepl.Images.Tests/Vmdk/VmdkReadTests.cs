using VmRepl.Blocks;
using VmRepl.Images.Opening;
using VmRepl.Images.Tests.Variants;

namespace VmRepl.Images.Tests.Vmdk;

/// <summary>Files that qemu-img made, read here: contents against its own raw conversion.</summary>
internal sealed class VmdkReadTests
{
    private const int MiB = 1 << 20;
    private readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    [Variant("VMDK", "monolithicSparse", Referee = "qemu-img", Map = "qemu-img")]
    [Variant("VMDK", "monolithicFlat", Referee = "qemu-img", Map = "qemu-img")]
    [Variant("VMDK", "twoGbMaxExtentSparse", Referee = "qemu-img", Map = "qemu-img")]
    [Variant("VMDK", "twoGbMaxExtentFlat", Referee = "qemu-img", Map = "qemu-img")]
    [TestCase("monolithicSparse", "70M")]
    [TestCase("monolithicSparse", "33555968")]
    [TestCase("monolithicFlat", "70M")]
    [TestCase("twoGbMaxExtentSparse", "70M")]
    [TestCase("twoGbMaxExtentFlat", "70M")]
    public void Read_AFileOfQemu_IsItsRawConversion(string subformat, string size)
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        var path = Make(subformat, size, "", "write -P 1 0 1000k", "write -P 2 12345k 4M", "write -P 3 30M 512");
        using var image = DiskImages.Open(path);
        Assert.That(image.Format, Is.EqualTo(ImageFormat.Vmdk));
        Assert.That(image.Description.Details["create-type"], Is.EqualTo(subformat));
        var expected = DiskContents.ReadByQemu(folder, "vmdk", path);
        DiskContents.RequireSame(DiskContents.ReadAll(image), expected);
        var data = DiskContents.DataOf(image, 0, image.Length);
        foreach (var hole in data.Gaps(new Extent(0, image.Length))) Assert.That(Sectors.IsZero(expected.AsSpan((int)hole.Offset, (int)hole.Length)), $"{hole}");
        Assert.That(data.Bytes, Is.InRange((1000 << 10) + (4 * MiB) + 512, 6 * MiB));
        QemuMapReferee.MustMapAlike(image, QemuImg.Map(path, "vmdk"), hasHostHoles: true);
        Assert.That(image.Check().Where(f => f.IsDamage), Is.Empty);
    }

    [Variant("VMDK", "twoGbMaxExtentSparse and Flat over several files, reads that cross them", Referee = "qemu-io")]
    [Test]
    public void Read_ASplitDiskOverTwoExtents_CrossesTheBorder([Values("twoGbMaxExtentSparse", "twoGbMaxExtentFlat")] string subformat)
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        var path = Make(subformat, "5G", "", "write -P 9 2046M 4M", "write -P 8 5119M 1M");
        using var image = DiskImages.Open(path);
        Assert.That(image.Files, Has.Count.EqualTo(4));
        var bytes = new byte[6 * MiB];
        image.Read(2045L * MiB, bytes);
        var expected = new byte[6 * MiB];
        expected.AsSpan(MiB, 4 * MiB).Fill(9);
        DiskContents.RequireSame(bytes, expected);
        Assert.That(DiskContents.DataOf(image, 0, image.Length).Extents, Is.SupersetOf(new[] { new Extent(2046L * MiB, 4 * MiB), new Extent(5119L * MiB, MiB) }));
    }

    [Variant("VMDK", "zeroed grains", Referee = "qemu-img", Map = "qemu-img")]
    [Test]
    public void Read_ZeroedGrains_AreZeros()
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        var path = Make("monolithicSparse", "20M", "zeroed_grain=on", "write -P 1 0 4M", "write -z 1M 1M");
        using var image = DiskImages.Open(path);
        DiskContents.RequireSame(DiskContents.ReadAll(image), DiskContents.ReadByQemu(folder, "vmdk", path));
        Assert.That(image.Map(MiB, MiB), Is.EqualTo(new[] { new MapExtent(MiB, MiB, BlockState.Zero) }));
        QemuMapReferee.MustMapAlike(image, QemuImg.Map(path, "vmdk"), hasHostHoles: true);
    }

    [Variant("VMDK", "streamOptimized without a footer", Referee = "qemu-img", Map = "qemu-img")]
    [Test]
    public void Read_AStreamOptimizedDisk_IsItsRawConversion()
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        var raw = folder.File("stream.raw");
        var bytes = new byte[(9 * MiB) + 1024];
        DiskContents.Random(1, 2 * MiB).CopyTo(bytes, MiB);
        bytes.AsSpan(5 * MiB, MiB).Fill(3);
        bytes[^1] = 7;
        File.WriteAllBytes(raw, bytes);
        var path = folder.File("stream.vmdk");
        ExternalTool.Run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, path);
        using var image = DiskImages.Open(path);
        DiskContents.RequireSame(DiskContents.ReadAll(image), bytes);
        Assert.That(image.Map(0, image.Length).Select(r => r.State), Does.Contain(BlockState.Compressed));
        QemuMapReferee.MustMapAlike(image, QemuImg.Map(path, "vmdk"));
        Assert.That(() => DiskImages.Open(path, new ImageOpenOptions { Writable = true }), Throws.TypeOf<ImageFormatException>().With.Message.Contains("compressed"));
    }

    [Variant("VMDK", "delta of monolithicSparse, with the parent's CID checked", Referee = "qemu-img", Map = "qemu-img")]
    [Test]
    public void Read_ADelta_IsTheParentWhereItHasNothing()
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        var parent = Make("monolithicSparse", "20M", "", "write -P 1 0 4M");
        var child = folder.File("child.vmdk");
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "vmdk", "-F", "vmdk", "-b", Path.GetFileName(parent), child);
        ExternalTool.Run("qemu-io", "-f", "vmdk", "-c", "write -P 2 1M 64k", child);
        using (var image = DiskImages.Open(child))
        {
            DiskContents.RequireSame(DiskContents.ReadAll(image), DiskContents.ReadByQemu(folder, "vmdk", child));
            Assert.That(image.Map(0, 2 * MiB).Select(r => r.Depth), Is.EqualTo(new[] { 1, 0, 1 }));
            QemuMapReferee.MustMapAlike(image, QemuImg.Map(child, "vmdk"), hasHostHoles: true);
        }

        using (var changed = DiskImages.Open(parent, new ImageOpenOptions { Writable = true })) changed.Write(0, new byte[512]);
        Assert.That(() => DiskImages.Open(child), Throws.TypeOf<ImageFormatException>().With.Message.Contains("parentCID"));
    }

    [Variant("VMDK", "redundant grain directory in place of a damaged one", Referee = "qemu-img (before the damage)")]
    [Test]
    public void Read_WithTheGrainDirectoryOutOfBounds_FallsBackToTheRedundantOne()
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        var path = Make("monolithicSparse", "20M", "", "write -P 1 3M 4M");
        var expected = DiskContents.ReadByQemu(folder, "vmdk", path);
        using (var file = File.OpenWrite(path))
        {
            file.Position = 56;
            file.Write(BitConverter.GetBytes(0x7FFFFFFFL));
        }

        using var image = DiskImages.Open(path);
        DiskContents.RequireSame(DiskContents.ReadAll(image), expected);
        Assert.That(image.Check().Any(f => f.IsDamage));
    }

    [TestCase("RW 2048 FLAT \"/etc/hostname\" 0")]
    [TestCase("RW 2048 FLAT \"../outside.raw\" 0")]
    [TestCase("RW 2048 FLAT \"json:{}\" 0")]
    public void Open_AnExtentOutsideItsDirectory_IsRefused(string line) =>
        Assert.That(() => DiskImages.Open(Describe(line)), Throws.TypeOf<ReferenceRefusedException>());

    [TestCase("RW 2048 FLAT \"missing.raw\" 0", "does not exist")]
    [TestCase("RW 4096 FLAT \"part.raw\" 0", "of 1048576 bytes in all")]
    [TestCase("RW 2048 FLAT \"part.raw\" 18014398509481984", "of the form ACCESS SECTORS TYPE")]
    [TestCase("RW 2048 FLAT \"part.raw\" 1", "from 512 on")]
    [TestCase("RW 2048 FLAT \"part.raw", "of the form ACCESS SECTORS TYPE")]
    [TestCase("RW 0 FLAT \"part.raw\" 0", "of the form ACCESS SECTORS TYPE")]
    [TestCase("RW 99999999999999999 ZERO", "of the form ACCESS SECTORS TYPE")]
    [TestCase("RW 999999999999999 ZERO", "of a disk of at most")]
    [TestCase("RW 2048 SPARSE \"part.raw\"", "KDMV")]
    [TestCase("RW 2048 SESPARSE \"part.raw\"", "seSparse")]
    [TestCase("NOACCESS 2048 ZERO", "NOACCESS")]
    [TestCase("RW 1024 FLAT \"part.raw\" 0\nRW 1024 FLAT \"part.raw\" 1024", "already part")]
    [TestCase("junk", "a comment, KEY=VALUE or an extent")]
    [TestCase("", "at least one, is none")]
    public void Open_AHostileDescriptor_IsRefusedByATypedError(string lines, string reason)
    {
        File.WriteAllBytes(folder.File("part.raw"), new byte[1 << 20]);
        Assert.That(() => DiskImages.Open(Describe(lines)), Throws.TypeOf<ImageFormatException>().With.Message.Contains(reason));
    }

    [TestCase(4, 9UL, 4, "version")]
    [TestCase(12, ulong.MaxValue, 8, "capacity")]
    [TestCase(12, 1UL << 46, 8, "grain directory")]
    [TestCase(20, 0UL, 8, "grainSize")]
    [TestCase(20, 1UL << 40, 8, "grainSize")]
    [TestCase(28, ulong.MaxValue, 8, "descriptorOffset")]
    [TestCase(36, 4000UL, 8, "descriptor")]
    [TestCase(44, 0UL, 4, "numGTEsPerGT")]
    [TestCase(44, uint.MaxValue, 4, "numGTEsPerGT")]
    [TestCase(64, ulong.MaxValue, 8, "overHead")]
    [TestCase(73, 0x0D0AUL, 2, "newline")]
    [TestCase(77, 1UL, 2, "compress")]
    public void Open_AHostileSparseHeader_IsRefusedByATypedError(int offset, ulong value, int bytes, string field)
    {
        var path = folder.File($"{Guid.NewGuid():n}.vmdk");
        using (var image = DiskImages.Create(path, ImageFormat.Vmdk, 20 * MiB)) image.Write(0, DiskContents.Random(1, 4 * MiB));
        using (var file = File.OpenWrite(path))
        {
            file.Position = offset;
            file.Write(BitConverter.GetBytes(value).AsSpan(0, bytes));
        }

        Assert.That(() => DiskImages.Open(path), Throws.TypeOf<ImageFormatException>().With.Message.Contains(field));
    }

    private string Describe(string lines)
    {
        var path = folder.File($"{Guid.NewGuid():n}.vmdk");
        File.WriteAllText(path, $"# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"custom\"\n{lines}\nddb.adapterType = \"ide\"\n");
        return path;
    }

    private string Make(string subformat, string size, string options, params string[] commands)
    {
        var path = folder.File($"{Guid.NewGuid():n}.vmdk");
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "vmdk", "-o", $"subformat={subformat}{(options.Length > 0 ? "," : "")}{options}", path, size);
        ExternalTool.Run("qemu-io", ["-f", "vmdk", .. commands.SelectMany(c => new[] { "-c", c }), path]);
        return path;
    }
}
