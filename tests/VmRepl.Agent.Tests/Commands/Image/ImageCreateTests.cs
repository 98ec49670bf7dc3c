using System.Text.Json;

namespace VmRepl.Agent.Tests.Commands.Image;

internal sealed class ImageCreateTests : ImageCommandTests
{
    [TestCase("raw")]
    [TestCase("qcow2")]
    [TestCase("vhdx")]
    [TestCase("vmdk")]
    public void Create_OfASize_IsADiskToQemuImg(string format)
    {
        ExternalTool.Require("qemu-img");
        var path = Directory.File("new");
        var run = CommandRun.Of("image", "create", path, "--format", format, "--size", "20MiB", "--json");
        Assert.That(run.Status, Is.Zero, run.Error);
        var report = JsonDocument.Parse(run.Output).RootElement;
        Assert.That(report.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "file", "format", "size", "backing", "backingFormat" }));
        Assert.That(report.GetProperty("backing").ValueKind, Is.EqualTo(JsonValueKind.Null));
        var theirs = JsonDocument.Parse(ExternalTool.Run("qemu-img", "info", "-f", format, "--output=json", path)).RootElement;
        Assert.That(theirs.GetProperty("virtual-size").GetInt64(), Is.EqualTo(20 << 20));
    }

    [TestCase("qcow2")]
    [TestCase("vhdx")]
    [TestCase("vmdk")]
    public void Create_OverABackingFile_IsTheSameDisk(string format)
    {
        var backing = SampleImages.As(Directory, SampleImages.Qcow2(Directory), format);
        var path = Directory.File("top");
        var run = CommandRun.Of("image", "create", path, "--format", format, "--backing", backing, "--json");
        Assert.That(run.Status, Is.Zero, run.Error);
        Assert.That(JsonDocument.Parse(run.Output).RootElement.GetProperty("backing").GetString(), Is.EqualTo(Path.GetFileName(backing)));
        Assert.That(CommandRun.Of("image", "compare", path, backing).Status, Is.Zero);
        if (format == "vhdx") return;
        ExternalTool.Run("qemu-img", "compare", "-f", format, "-F", format, path, backing);
    }

    [Test]
    public void Create_OverAProbedBackingFile_SaysWhatWasFound()
    {
        var run = CommandRun.Of("image", "create", Directory.File("top"), "--format", "qcow2", "--backing", SampleImages.Qcow2(Directory));
        Assert.That(run.Status, Is.Zero, run.Error);
        Assert.That(run.Error, Does.Contain("probed, the format is qcow2"));
    }

    [Test]
    public void Create_OverABackingFileElsewhere_NamesItByItsFullPathAndSaysSo()
    {
        using var elsewhere = new TempDirectory();
        var backing = SampleImages.Qcow2(elsewhere);
        var path = Directory.File("top.qcow2");
        var run = CommandRun.Of("image", "create", path, "--format", "qcow2", "--backing", backing, "--backing-format", "qcow2");
        Assert.That(run.Status, Is.Zero, run.Error);
        Assert.That(run.Error, Does.Contain("--allow"));
        Assert.That(CommandRun.Of("image", "info", path).Status, Is.EqualTo(3));
        Assert.That(CommandRun.Of("image", "info", path, "--allow", elsewhere.Path).Status, Is.Zero);
        ExternalTool.Run("qemu-img", "compare", path, backing);
    }

    [Test]
    public void Create_TargetExists_IsRefusedAndLeftAlone()
    {
        var path = Directory.File("there");
        File.WriteAllText(path, "mine");
        Assert.That(CommandRun.Of("image", "create", path, "--format", "raw", "--size", "1MiB").Status, Is.EqualTo(3));
        Assert.That(File.ReadAllText(path), Is.EqualTo("mine"));
    }

    [TestCase("vhdx", "0")]
    [TestCase("qcow2", "1000")]
    [TestCase("vmdk", "100TiB")]
    public void Create_OfASizeThatTheFormatCannotSay_FailsAndLeavesNoFile(string format, string size)
    {
        var path = Directory.File("none");
        var run = CommandRun.Of("image", "create", path, "--format", format, "--size", size);
        Assert.That(run.Status, Is.EqualTo(1));
        Assert.That(run.Error, Does.Not.Contain("Unexpected").And.Not.Contain("Parameter"));
        Assert.That(File.Exists(path), Is.False);
    }

    [Test]
    public void Create_OverAMissingBackingFile_FailsAndLeavesNoFile()
    {
        var path = Directory.File("top");
        Assert.That(CommandRun.Of("image", "create", path, "--format", "qcow2", "--backing", Directory.File("none"), "--backing-format", "raw").Status, Is.EqualTo(1));
        Assert.That(File.Exists(path), Is.False);
    }
}
