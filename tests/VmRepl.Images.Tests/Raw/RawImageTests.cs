using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Tests.Raw;

public sealed class RawImageTests
{
    private ScratchDirectory scratch = null!;

    [SetUp]
    public void Make() => scratch = new ScratchDirectory();

    [TearDown]
    public void Remove() => scratch.Dispose();

    [Test]
    public void Create_IsThinAndHoldsWhatIsWritten()
    {
        var mirror = new byte[(3 << 20) + 512];
        using (var image = DiskImages.Create(scratch["a.raw"], ImageFormat.Raw, mirror.Length))
        {
            Assert.That(image.Map(0, image.Length).All(r => !r.HasData));
            Qcow2.Qcow2WriterTests.WorkAtRandom(image, mirror, 3, 60);
        }

        File.ReadAllBytes(scratch["a.raw"]).MustBe(mirror);
    }

    [Test]
    public void File_ThatIsNoMultipleOfASector_IsPaddedWithZerosThatAreNotWritten()
    {
        File.WriteAllBytes(scratch["a.raw"], Contents.Random(1000, 1));
        using var image = DiskImages.Open(scratch["a.raw"], new ImageOpenOptions { Format = ImageFormat.Raw, Writable = true });
        Assert.That(image.Length, Is.EqualTo(1024));
        Assert.That(image.ReadAll()[1000..], Is.EqualTo(new byte[24]));
        Assert.That(image.ReadByMap(), Is.EqualTo(image.ReadAll()));
        Assert.That(() => image.Write(512, new byte[512]), Throws.InstanceOf<IOException>());
        image.Zero(512, 512);
        Assert.That(new FileInfo(scratch["a.raw"]).Length, Is.EqualTo(1000));
        Assert.That(image.ReadAll()[512..], Is.EqualTo(new byte[512]));
    }

    [Test]
    public void Punch_GivesSpaceBackAndReadsAsZeros()
    {
        using var image = DiskImages.Create(scratch["a.raw"], ImageFormat.Raw, 1 << 20);
        image.Write(0, Contents.Random(1 << 20, 1));
        image.Flush();
        image.Punch(4096, 1 << 19);
        Assert.That(image.Map(4096, 1 << 19).Single().State, Is.EqualTo(BlockState.Unallocated));
        var read = new byte[1 << 19];
        image.Read(4096, read);
        read.MustBe(new byte[1 << 19]);
    }

    [Test]
    public void Zero_OfARawFileThatWasThereBefore_KeepsItsSpaceAndPunchGivesItBack()
    {
        ExternalTool.RequireLinux();
        const int diskBytes = 1 << 20;
        var host = new HostDirectory(scratch.Path);
        File.WriteAllBytes(scratch["old"], Enumerable.Repeat((byte)7, diskBytes).ToArray());
        using var image = DiskImages.Open(scratch["old"], new ImageOpenOptions { Format = ImageFormat.Raw, Writable = true });
        image.Flush();
        image.Zero(0, diskBytes / 2);
        image.Flush();
        var afterZero = host.AllocatedBytes("old");
        image.Punch(diskBytes / 2, diskBytes / 4);
        image.Flush();
        var contents = File.ReadAllBytes(scratch["old"]);
        Assert.Multiple(() =>
        {
            Assert.That(((IQuickZero)image).IsZeroQuick(0, 512), Is.True);
            Assert.That(afterZero, Is.GreaterThanOrEqualTo(diskBytes));
            Assert.That(host.AllocatedBytes("old"), Is.EqualTo(afterZero - (diskBytes / 4)));
            Assert.That(Sectors.IsZero(contents.AsSpan(0, diskBytes / 4 * 3)), Is.True);
            Assert.That(contents[^1], Is.EqualTo(7));
        });
    }

    [Test]
    public void RawFile_ThatLooksLikeNothing_IsProbedAsRaw()
    {
        File.WriteAllBytes(scratch["a.img"], Contents.Random(4096, 2));
        using var image = DiskImages.Open(scratch["a.img"]);
        Assert.That(image.Format, Is.EqualTo(ImageFormat.Raw));
    }
}
