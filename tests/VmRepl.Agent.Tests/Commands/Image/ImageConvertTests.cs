using System.Text.Json;

namespace VmRepl.Agent.Tests.Commands.Image;

internal sealed class ImageConvertTests : ImageCommandTests
{
    [TestCase("raw")]
    [TestCase("qcow2")]
    [TestCase("vhdx")]
    [TestCase("vmdk")]
    [TestCase("vhd")]
    public void Convert_Chain_IsTheSameDiskToQemuImg(string format)
    {
        var source = SampleImages.Overlay(Directory, Path.GetFileName(SampleImages.Qcow2(Directory)));
        var target = Directory.File($"out.{format}");
        var run = CommandRun.Of("image", "convert", source, target, "--format", format, "--flush");
        Assert.That(run.Status, Is.Zero, run.Error);
        ExternalTool.Run("qemu-img", "compare", "-f", "qcow2", "-F", format == "vhd" ? "vpc" : format, source, target);
    }

    [Test]
    public void Convert_Snapshot_IsTheDiskAsItWas()
    {
        var path = SampleImages.Qcow2(Directory);
        var before = SampleImages.As(Directory, path, "raw");
        ExternalTool.Run("qemu-img", "snapshot", "-c", "before", path);
        ExternalTool.Run("qemu-io", "-f", "qcow2", "-c", "write -P 9 0 4M", path);
        var run = CommandRun.Of("image", "convert", path, Directory.File("then.raw"), "--format", "raw", "--snapshot", "before");
        Assert.That(run.Status, Is.Zero, run.Error);
        Assert.That(File.ReadAllBytes(Directory.File("then.raw")).AsSpan().SequenceEqual(File.ReadAllBytes(before)));
        Assert.That(CommandRun.Of("image", "convert", path, Directory.File("other.raw"), "--format", "raw", "--snapshot", "none").Error, Does.Contain("\"none\""));
    }

    [Test]
    public void Convert_Json_TellsWhatWasMoved()
    {
        var run = CommandRun.Of("image", "convert", SampleImages.Qcow2(Directory), Directory.File("out.raw"), "--format", "raw", "--json");
        var report = JsonDocument.Parse(run.Output).RootElement;
        Assert.That(report.GetProperty("size").GetInt64(), Is.EqualTo(8 << 20));
        Assert.That(report.GetProperty("bytesWritten").GetInt64(), Is.EqualTo(200 << 10));
        Assert.That(run.Error, Is.Empty);
    }

    [Test]
    public void Convert_TargetExists_IsRefusedAndLeftAlone()
    {
        var source = SampleImages.Qcow2(Directory);
        var target = Directory.File("there");
        File.WriteAllText(target, "mine");
        var run = CommandRun.Of("image", "convert", source, target, "--format", "raw");
        Assert.That(run.Status, Is.EqualTo(3));
        Assert.That(File.ReadAllText(target), Is.EqualTo("mine"));
    }

    [Test]
    public void Convert_TargetIsADanglingLink_IsRefused()
    {
        var source = SampleImages.Qcow2(Directory);
        var target = Directory.File("link");
        File.CreateSymbolicLink(target, Directory.File("nowhere"));
        Assert.That(CommandRun.Of("image", "convert", source, target, "--format", "raw").Status, Is.EqualTo(3));
        Assert.That(File.Exists(Directory.File("nowhere")), Is.False);
    }

    [Test]
    public void Convert_DamagedSource_FailsAndLeavesNoTarget()
    {
        var source = SampleImages.Qcow2(Directory);
        // The data lies beyond the end then; the structure before it is whole.
        using (var file = File.OpenWrite(source)) file.SetLength(0x60000);
        var target = Directory.File("out.raw");
        var run = CommandRun.Of("image", "convert", source, target, "--format", "raw");
        Assert.That(run.Status, Is.EqualTo(1), run.Output);
        Assert.That(run.Error, Does.Contain("base.qcow2"));
        Assert.That(File.Exists(target), Is.False);
    }

    [Test]
    public void Convert_Stopped_FailsAndLeavesNoTarget()
    {
        var source = SampleImages.Qcow2(Directory);
        var target = Directory.File("out.raw");
        var run = CommandRun.With(new RecordingCommands(), [], new CancellationToken(canceled: true), "image", "convert", source, target, "--format", "raw");
        Assert.That(run.Status, Is.EqualTo(1));
        Assert.That(run.Error, Does.Contain("Stopped"));
        Assert.That(File.Exists(target), Is.False);
    }

    [Test]
    public void Convert_NoSuchDirectory_Fails() =>
        Assert.That(CommandRun.Of("image", "convert", SampleImages.Qcow2(Directory), Directory.File("none/out.raw"), "--format", "raw").Status, Is.EqualTo(1));
}
