using VmRepl.Blocks;
using VmRepl.Images.Operations;
using VmRepl.Images.Opening;
using VmRepl.Images.Tests.Qcow2;

namespace VmRepl.Images.Tests.Operations;

/// <summary>Overlays of what changed between two disks, judged by qemu-img.</summary>
internal sealed class ImageDifferTests
{
    private const int Length = (4 << 20) + (5 * 512);

    private TestFolder folder = null!;

    [SetUp]
    public void Make()
    {
        ExternalTool.Require("qemu-img");
        folder = new TestFolder();
    }

    [TearDown]
    public void Remove() => folder?.Dispose();

    [Test]
    public void Write_OfTwoStandaloneDisks_GivesAnOverlayThatReadsAsTheNewOne(
        [Values(ImageFormat.Qcow2, ImageFormat.Vhdx, ImageFormat.Vmdk, ImageFormat.Vhd)] ImageFormat format, [Values(1, 2)] int seed)
    {
        var old = Work("old", format, new byte[Length], seed, 40);
        var contents = Work("new", ImageFormat.Raw, [.. old], seed + 50, 25);
        Diff("old", format, "new", ImageFormat.Raw, "top", format);
        Read("top", format).MustBe(contents);
        if (format is ImageFormat.Vhdx or ImageFormat.Vhd) return;
        QemuImg.Contents(folder.File("top"), format.QemuName()).MustBe(contents, "qemu");
        if (format == ImageFormat.Qcow2) QemuImg.MustBeClean(folder.File("top"));
    }

    [Test]
    public void Write_BetweenMembersOfAChain_ReadsOnlyWhatIsNotShared()
    {
        Work("base", ImageFormat.Qcow2, new byte[Length], 1, 40);
        QemuImg.Create(folder.File("new"), -1, backing: "base");
        QemuImg.Io(folder.File("new"), ["write -q -P 5 1M 64k", "write -q -z 2M 128k"]);
        var result = Diff("base", ImageFormat.Qcow2, "new", ImageFormat.Qcow2, "top", ImageFormat.Qcow2);
        Assert.That(result.BytesRead, Is.LessThanOrEqualTo(2 * 65536));
        Assert.That(result.BytesWritten, Is.LessThanOrEqualTo(65536));
        Assert.That(result.BytesZeroed, Is.LessThanOrEqualTo(131072));
        Read("top", ImageFormat.Qcow2).MustBe(Read("new", ImageFormat.Qcow2));
        using var image = DiskImages.Open(folder.File("top"));
        Assert.That(image.Map(1 << 20, 65536).All(r => r.Depth == 0));
        Assert.That(image.Map(3 << 20, 1 << 20).All(r => r.Depth == 1 || !r.HasData), "what did not change is still the parent's");
    }

    [Test]
    public void Write_BetweenOverlaysOfACompressedBase_DoesNotInflateIt()
    {
        Work("plain", ImageFormat.Qcow2, new byte[Length], 1, 40);
        ExternalTool.Run("qemu-img", "convert", "-c", "-O", "qcow2", folder.File("plain"), folder.File("base"));
        foreach (var name in new[] { "old", "new" }) QemuImg.Create(folder.File(name), -1, backing: "base");
        QemuImg.Io(folder.File("new"), ["write -q -P 5 1M 64k"]);
        var result = Diff("old", ImageFormat.Qcow2, "new", ImageFormat.Qcow2, "top", ImageFormat.Qcow2);
        Assert.That(result.BytesRead, Is.LessThanOrEqualTo(2 * 65536));
        Read("top", ImageFormat.Qcow2).MustBe(Read("new", ImageFormat.Qcow2));
    }

    [Test]
    public void Write_OfDisksOfOtherLengths_TakesTheNewLength([Values(Length / 1024 * 512, Length * 2)] int length)
    {
        var old = Work("old", ImageFormat.Raw, new byte[Length], 3, 40);
        var contents = new byte[length];
        old.AsSpan(0, Math.Min(length, Length)).CopyTo(contents);
        File.WriteAllBytes(folder.File("new"), contents);
        Work("new", null, contents, 4, 20);
        Diff("old", ImageFormat.Raw, "new", ImageFormat.Raw, "top", ImageFormat.Qcow2);
        QemuImg.Contents(folder.File("top")).MustBe(contents);
    }

    [Test]
    public void Write_OfEqualDisks_WritesNothing()
    {
        var old = Work("old", ImageFormat.Qcow2, new byte[Length], 3, 40);
        File.WriteAllBytes(folder.File("new"), old);
        var result = Diff("old", ImageFormat.Qcow2, "new", ImageFormat.Raw, "top", ImageFormat.Qcow2);
        Assert.That((result.BytesWritten, result.BytesZeroed), Is.EqualTo((0L, 0L)));
    }

    private DiffResult Diff(string old, ImageFormat oldFormat, string changed, ImageFormat changedFormat, string top, ImageFormat format)
    {
        using var a = DiskImages.Open(folder.File(old), new ImageOpenOptions { Format = oldFormat });
        using var b = DiskImages.Open(folder.File(changed), new ImageOpenOptions { Format = changedFormat });
        using var target = DiskImages.CreateOverlay(folder.File(top), format, new ImageCreateOptions { Backing = new ImageBacking(old, oldFormat) }, b.Length);
        return ImageDiffer.Write(a, b, target, new DiffOptions { Flush = true }, CancellationToken.None);
    }

    /// <summary>Makes the image (or takes the raw one that is there), works on it at random over <paramref name="contents"/>, and gives what it holds.</summary>
    private byte[] Work(string name, ImageFormat? format, byte[] contents, int seed, int operations)
    {
        using var image = format is { } made ? DiskImages.Create(folder.File(name), made, contents.Length) : DiskImages.Open(folder.File(name), new ImageOpenOptions { Format = ImageFormat.Raw, Writable = true });
        if (format is not null && !Sectors.IsZero(contents)) image.Write(0, contents);
        Qcow2WriterTests.WorkAtRandom(image, contents, seed, operations);
        return contents;
    }

    private byte[] Read(string name, ImageFormat format)
    {
        using var image = DiskImages.Open(folder.File(name), new ImageOpenOptions { Format = format });
        return DiskContents.ReadAll(image);
    }
}
