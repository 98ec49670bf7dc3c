using VmRepl.Images.Opening;
using VmRepl.Images.Operations;
using VmRepl.Images.Tests.Variants;

namespace VmRepl.Images.Tests.Vmdk;

/// <summary>streamOptimized files that are written here, judged by others.</summary>
internal sealed class StreamOptimizedTests
{
    private const int MiB = 1 << 20;

    private TestFolder folder = null!;

    [SetUp]
    public void Make()
    {
        ExternalTool.Require("qemu-img", "7zz", "vmdkinfo");
        folder = new TestFolder();
    }

    [TearDown]
    public void Remove() => folder?.Dispose();

    // One table is 32 MiB of disk: none, a part of one, several with a gap of a whole one, and a short last grain.
    [Variant("VMDK", "streamOptimized, written from start to end", Referee = "qemu-img, 7-Zip, vmdkinfo", IsWritten = true)]
    [TestCase(512)]
    [TestCase(70 * MiB)]
    [TestCase((100 * MiB) + 512)]
    public void Convert_ToAStream_IsReadByQemu7ZipAndLibvmdk(int length)
    {
        var contents = new byte[length];
        foreach (var (offset, count) in new[] { (0, 300), (5000, 3 * MiB), (4 * MiB, 700), ((31 * MiB) + 12345, 2 * MiB), (68 * MiB, MiB), (length - 100, 100) })
        {
            if (offset >= 0 && offset + count <= length) DiskContents.Random(offset, count).CopyTo(contents, offset);
        }

        // Compressible too.
        if (length > 40 * MiB) contents.AsSpan(36 * MiB, MiB).Fill(7);
        File.WriteAllBytes(folder.File("in.raw"), contents);
        var path = folder.File("out.vmdk");
        using (var source = DiskImages.Open(folder.File("in.raw"), new ImageOpenOptions { Format = ImageFormat.Raw }))
        using (var target = DiskImages.Create(path, ImageFormat.Vmdk, length, new ImageCreateOptions { Subformat = "streamOptimized" }))
            ImageConverter.Convert(source, target, new ConvertOptions { Flush = true }, CancellationToken.None);
        using (var image = DiskImages.Open(path))
        {
            DiskContents.RequireSame(DiskContents.ReadAll(image), contents);
            Assert.That(image.Check(), Is.Empty);
            Assert.That(image.Description.Details["create-type"], Is.EqualTo("streamOptimized"));
        }

        DiskContents.RequireSame(DiskContents.ReadByQemu(folder, "vmdk", path), contents, "qemu");
        DiskContents.RequireSame(DiskContents.ReadBy7Zip(folder, path), contents, "7-Zip");
        Assert.That(ExternalTool.Run("vmdkinfo", path), Does.Contain("Stream optimized").IgnoreCase.And.Contain($"({length} bytes)"));
        Assert.That(ExternalTool.Run("qemu-img", "check", "-f", "vmdk", path), Does.Contain("No errors"));
    }

    [Test]
    public void Stream_ThatWasNotCompleted_IsNoImage()
    {
        var path = folder.File("part.vmdk");
        using (var target = DiskImages.Create(path, ImageFormat.Vmdk, 8 * MiB, new ImageCreateOptions { Subformat = "streamOptimized" })) target.Write(0, DiskContents.Random(1, 4 * MiB));
        Assert.That(() => DiskImages.Open(path), Throws.TypeOf<ImageFormatException>());
    }

    [Test]
    public void Stream_WrittenBackwardsOrReadBack_RefusesByName()
    {
        using var target = DiskImages.Create(folder.File("a.vmdk"), ImageFormat.Vmdk, 8 * MiB, new ImageCreateOptions { Subformat = "streamOptimized" });
        target.Write(MiB, new byte[512]);
        Assert.That(() => target.Write(0, new byte[512]), Throws.TypeOf<NotSupportedException>());
        Assert.That(() => target.Read(0, new byte[512]), Throws.TypeOf<NotSupportedException>());
        Assert.That(() => target.Write((8 * MiB) - 512, new byte[1024]), Throws.TypeOf<NotSupportedException>());
    }
}
