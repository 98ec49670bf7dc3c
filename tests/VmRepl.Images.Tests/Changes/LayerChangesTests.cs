using VmRepl.Blocks;
using VmRepl.Images.Changes;
using VmRepl.Images.Tests.Qcow2;
using VmRepl.Images.Tests.Variants;
using VmRepl.Images.Tests.Vmdk;

namespace VmRepl.Images.Tests.Changes;

/// <summary>What the top image of a chain holds, as the changes over its backing file.</summary>
public sealed class LayerChangesTests
{
    private ScratchDirectory scratch = null!;

    [SetUp]
    public void Make() => scratch = new ScratchDirectory();

    [TearDown]
    public void Remove() => scratch?.Dispose();

    [Variant("QCOW2", "allocation of the top image as changes over its backing file", Referee = "qemu-img map")]
    [TestCase("")]
    [TestCase("cluster_size=512")]
    [TestCase("extended_l2=on")]
    public void Layer_OfQcow2_IsWhatTheTopFileHolds(string options)
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        File.WriteAllBytes(scratch["base.raw"], Contents.Random(2 << 20, 7));
        QemuImg.Create(scratch["top.qcow2"], 3 << 20, options, "base.raw", "raw");
        QemuImg.Io(scratch["top.qcow2"], Qcow2GoldenTests.RandomWrites(6, hasCompression: true, hasZeros: true, 3 << 20, operations: 8));
        MustBeTheLayer(scratch["top.qcow2"], "qcow2");
    }

    [Variant("VMDK", "allocation of a delta as changes over its parent", Referee = "qemu-img map")]
    [Test]
    public void Layer_OfVmdk_IsWhatTheDeltaHolds()
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        QemuImg.Must("qemu-img", ["create", "-q", "-f", "vmdk", scratch["base.vmdk"], "20M"]);
        QemuImg.Io(scratch["base.vmdk"], ["write -q -P 1 0 4M"], "vmdk");
        QemuImg.Must("qemu-img", ["create", "-q", "-f", "vmdk", "-F", "vmdk", "-b", "base.vmdk", scratch["top.vmdk"]]);
        QemuImg.Io(scratch["top.vmdk"], ["write -q -P 2 1M 64k", "write -q -P 3 9M 1M"], "vmdk");
        MustBeTheLayer(scratch["top.vmdk"], "vmdk");
    }

    [Test]
    public void Layer_OfAnImageWithoutBackingFile_IsRefused()
    {
        File.WriteAllBytes(scratch["a.raw"], new byte[4096]);
        using var image = DiskImages.Open(scratch["a.raw"]);
        Assert.That(ChangeTracks.Of(image), Is.Empty);
        Assert.That(() => ChangeTracks.Layer(image), Throws.TypeOf<ImageFormatException>().With.Message.Contains("no backing file"));
    }

    [Test]
    public void TrackingFileOfVmdk_IsNamedAndTellsNothing()
    {
        File.WriteAllBytes(scratch["d-flat.vmdk"], new byte[1 << 20]);
        EsxForge.WriteDescriptor(scratch["d.vmdk"], "vmfs", "RW 2048 VMFS \"d-flat.vmdk\"", 7, more: "changeTrackPath=\"d-ctk.vmdk\"\n");
        using var image = DiskImages.Open(scratch["d.vmdk"]);
        var track = ChangeTracks.Of(image).Single();
        Assert.That((track.Name, track.Kind, track.State), Is.EqualTo(("d-ctk.vmdk", ChangeTrackKind.File, ChangeTrackState.NotInterpreted)));
        Assert.That(() => track.Changes(), Throws.TypeOf<ImageFormatException>().With.Message.Contains("no public layout"));
    }

    private static void MustBeTheLayer(string path, string format)
    {
        using var image = DiskImages.Open(path);
        var track = ChangeTracks.Layer(image);
        Assert.That(track.State, Is.EqualTo(ChangeTrackState.Recording));
        Assert.That(ChangeTracks.Of(image).Single().Name, Is.EqualTo(image.Description.BackingFile));
        var expected = new ExtentSet();
        foreach (var run in QemuImg.Map(path, format).Where(r => r.Depth == 0 && r.Present)) expected.Add(run.Extent);
        Assert.That(track.Changes(), Is.EqualTo(expected.Extents).And.Not.Empty);
    }
}
