using VmRepl.Blocks;
using VmRepl.Images.Opening;
using VmRepl.Images.Tests.Variants;

namespace VmRepl.Images.Tests.Raw;

/// <summary>A loop device of the host, as an image that is read.</summary>
internal sealed class BlockDeviceTests
{
    private const int MiB = 1 << 20;

    private ScratchDirectory scratch = null!;
    private string device = "";
    private byte[] contents = [];

    [SetUp]
    public void Attach()
    {
        ExternalTool.RequireRoot();
        ExternalTool.Require("losetup", "qemu-img");
        scratch = new ScratchDirectory();
        contents = [.. "QFI\xfb"u8[..3], 0xFB, .. Contents.Random((3 * MiB) + 508, 1)];
        File.WriteAllBytes(scratch["disk"], contents);
        try
        {
            device = ExternalTool.Run("losetup", "--find", "--show", "--read-only", scratch["disk"]).Trim();
        }
        catch (Exception e)
        {
            ExternalTool.Skip($"needs a loop device: {e.Message}");
        }
    }

    [TearDown]
    public void Detach()
    {
        if (device.Length > 0) ExternalTool.Run("losetup", "--detach", device);
        scratch?.Dispose();
    }

    [Test]
    [Variant("RAW", "block device", Referee = "qemu-img")]
    public void Open_ABlockDeviceThatIsTheImageItself_ReadsItAsRaw_WhateverItBeginsWith()
    {
        using var image = DiskImages.Open(device, new ImageOpenOptions { MayBeDevice = true });
        Assert.That(image.Format, Is.EqualTo(ImageFormat.Raw));
        Assert.That(image.IsReadOnly);
        Assert.That(image.Length, Is.EqualTo(contents.Length));
        image.ReadAll().MustBe(contents);
        Assert.That(image.Map(0, image.Length).All(r => r.State is BlockState.Data or BlockState.Unallocated));
        image.ReadByMap().MustBe(contents, "by the map");
        ExternalTool.Run("qemu-img", "convert", "-f", "raw", "-O", "raw", device, scratch["referee"]);
        File.ReadAllBytes(scratch["referee"]).MustBe(contents, "qemu-img");
    }

    [Test]
    public void Open_ABlockDevice_IsRefusedWhereNobodyAskedForOne_ForWriting_AndBehindAnImage()
    {
        Assert.That(() => DiskImages.Open(device), Throws.InstanceOf<IOException>().With.Message.Contains("not a regular file"));
        Assert.That(() => DiskImages.Open(device, new ImageOpenOptions { MayBeDevice = true, Writable = true }), Throws.InstanceOf<IOException>().With.Message.Contains("not a regular file"));
        Assert.That(() => DiskImages.Open("/dev/zero", new ImageOpenOptions { MayBeDevice = true }), Throws.InstanceOf<IOException>());
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "qcow2", "-b", device, "-F", "raw", scratch["over"]);
        Assert.That(
            () => DiskImages.Open(scratch["over"], new ImageOpenOptions { MayBeDevice = true, Allow = ["/dev"] }),
            Throws.TypeOf<ReferenceRefusedException>().With.Message.Contains("not a regular file"));
    }
}
