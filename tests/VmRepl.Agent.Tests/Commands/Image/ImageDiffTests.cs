using System.Text.Json;

namespace VmRepl.Agent.Tests.Commands.Image;

internal sealed class ImageDiffTests : ImageCommandTests
{
    [Test]
    public void Diff_OfTwoImages_IsAnOverlayThatQemuImgReadsAsTheNewOne()
    {
        var old = SampleImages.Qcow2(Directory);
        var changed = SampleImages.Overlay(Directory, Path.GetFileName(old));
        var path = Directory.File("diff.qcow2");
        var run = CommandRun.Of("image", "diff", old, changed, path, "--format", "qcow2", "--flush", "--json");
        Assert.That(run.Status, Is.Zero, run.Error);
        var report = JsonDocument.Parse(run.Output).RootElement;
        Assert.That(report.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "file", "format", "size", "backing", "backingFormat", "bytesRead", "bytesWritten", "bytesZeroed" }));
        Assert.That(report.GetProperty("bytesWritten").GetInt64(), Is.EqualTo(100 << 10), "what the overlay holds, and no more");
        Assert.That(report.GetProperty("backing").GetString(), Is.EqualTo("base.qcow2"));
        ExternalTool.Run("qemu-img", "compare", changed, path);
        ExternalTool.Run("qemu-img", "check", path);
    }

    [TestCase("vhdx")]
    [TestCase("vmdk")]
    public void Diff_InOtherFormats_IsTheNewDisk(string format)
    {
        var first = SampleImages.Qcow2(Directory);
        var old = SampleImages.As(Directory, first, format);
        var changed = SampleImages.Overlay(Directory, Path.GetFileName(first));
        var path = Directory.File("diff");
        var run = CommandRun.Of("image", "diff", old, changed, path, "--format", format, "--old-format", format, "--new-format", "qcow2");
        Assert.That(run.Status, Is.Zero, run.Error);
        Assert.That(run.Output, Does.Contain("100 KiB changed"));
        Assert.That(CommandRun.Of("image", "compare", changed, path).Status, Is.Zero);
    }

    [Test]
    public void Diff_OverAnImageOfAnotherKind_FailsByNameAndLeavesNoTarget()
    {
        var old = SampleImages.Qcow2(Directory);
        var run = CommandRun.Of("image", "diff", old, old, Directory.File("diff.vhdx"), "--format", "vhdx");
        Assert.That(run.Status, Is.EqualTo(1));
        Assert.That(run.Error, Does.Contain("behind a differencing VHDX is a VHDX"));
        Assert.That(File.Exists(Directory.File("diff.vhdx")), Is.False);
    }

    [Test]
    public void Merge_OfAChain_StandsAlone()
    {
        var backing = SampleImages.Qcow2(Directory);
        var top = SampleImages.Overlay(Directory, Path.GetFileName(backing));
        var path = Directory.File("whole.vhdx");
        var run = CommandRun.Of("image", "merge", top, path, "--format", "vhdx", "--json");
        Assert.That(run.Status, Is.Zero, run.Error);
        var report = JsonDocument.Parse(run.Output).RootElement;
        Assert.That(report.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "file", "format", "size", "bytesRead", "bytesWritten", "chain" }));
        Assert.That(report.GetProperty("chain").EnumerateArray().Select(p => Path.GetFileName(p.GetString())), Is.EqualTo(new[] { "top.qcow2", "base.qcow2" }));
        ExternalTool.Run("qemu-img", "compare", "-f", "qcow2", "-F", "vhdx", top, path);
        var info = JsonDocument.Parse(CommandRun.Of("image", "info", path, "--json").Output).RootElement;
        Assert.That(info.TryGetProperty("backing-filename", out _), Is.False);
    }

    [Test]
    public void Merge_IntoAMember_IsRefused()
    {
        var backing = SampleImages.Qcow2(Directory);
        var top = SampleImages.Overlay(Directory, Path.GetFileName(backing));
        Assert.That(CommandRun.Of("image", "merge", top, backing, "--format", "qcow2").Status, Is.EqualTo(3));
    }

    [Test]
    public void Convert_ToStreamOptimized_IsTheSameDiskToQemuImg()
    {
        var source = SampleImages.Qcow2(Directory);
        var path = Directory.File("out.vmdk");
        var run = CommandRun.Of("image", "convert", source, path, "--format", "vmdk", "--subformat", "streamOptimized");
        Assert.That(run.Status, Is.Zero, run.Error);
        ExternalTool.Run("qemu-img", "compare", "-f", "qcow2", "-F", "vmdk", source, path);
        var info = JsonDocument.Parse(CommandRun.Of("image", "info", path, "--json").Output).RootElement;
        Assert.That(info.GetProperty("format-specific").GetProperty("data").GetProperty("create-type").GetString(), Is.EqualTo("streamOptimized"));
    }

    [TestCase("qcow2", "streamOptimized")]
    [TestCase("vhdx", "nonsense")]
    public void Convert_ToASubformatThatThereIsNot_FailsByName(string format, string subformat)
    {
        var run = CommandRun.Of("image", "convert", SampleImages.Qcow2(Directory), Directory.File("out"), "--format", format, "--subformat", subformat);
        Assert.That(run.Status, Is.EqualTo(1));
        Assert.That(run.Error, Does.Contain(subformat));
        Assert.That(File.Exists(Directory.File("out")), Is.False);
    }
}
