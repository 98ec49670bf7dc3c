using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Conformance;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Tests.Conformance;

/// <summary>Images of every format that is written, as block devices like any other.</summary>
[TestFixture(ImageFormat.Raw)]
[TestFixture(ImageFormat.Qcow2)]
[TestFixture(ImageFormat.Vhdx)]
[TestFixture(ImageFormat.Vmdk)]
public sealed class ImageConformance(ImageFormat format) : BlockDeviceContract
{
    private string directory = null!;
    private int made;

    [SetUp]
    public void MakeDirectory() => directory = Directory.CreateTempSubdirectory("vmrepl-images-").FullName;

    [TearDown]
    public void RemoveDirectory() => Directory.Delete(directory, recursive: true);

    protected override IBlockDevice Make() => DiskImages.Create(Path.Combine(directory, $"disk{++made}"), format, DiskBytes);

    [Test]
    public void Zero_OfARawFileThatWasThereBefore_KeepsItsSpaceAndPunchGivesItBack()
    {
        if (format != ImageFormat.Raw) Assert.Pass("of raw files");
        if (!OperatingSystem.IsLinux()) Assert.Ignore("needs Linux");
        var host = new HostDirectory(directory);
        File.WriteAllBytes(Path.Combine(directory, "old"), [.. Enumerable.Repeat((byte)7, DiskBytes)]);
        using var image = DiskImages.Open(Path.Combine(directory, "old"), new ImageOpenOptions { Format = ImageFormat.Raw, Writable = true });
        image.Flush();
        image.Zero(0, DiskBytes / 2);
        image.Flush();
        var afterZero = host.AllocatedBytes("old");
        image.Punch(DiskBytes / 2, DiskBytes / 4);
        image.Flush();
        var contents = File.ReadAllBytes(Path.Combine(directory, "old"));
        Assert.Multiple(() =>
        {
            Assert.That(((IQuickZero)image).IsZeroQuick(0, 512), Is.True);
            Assert.That(afterZero, Is.GreaterThanOrEqualTo(DiskBytes));
            Assert.That(host.AllocatedBytes("old"), Is.EqualTo(afterZero - (DiskBytes / 4)));
            Assert.That(Sectors.IsZero(contents.AsSpan(0, DiskBytes / 4 * 3)), Is.True);
            Assert.That(contents[^1], Is.EqualTo(7));
        });
    }
}
