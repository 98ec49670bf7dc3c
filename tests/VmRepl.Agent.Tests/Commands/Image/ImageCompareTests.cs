using System.Text.Json;

namespace VmRepl.Agent.Tests.Commands.Image;

internal sealed class ImageCompareTests : ImageCommandTests
{
    [Test]
    public void Compare_SameContentsInOtherContainer_IsStatus0()
    {
        var a = SampleImages.Qcow2(Directory);
        var b = SampleImages.As(Directory, a, "raw");
        var run = CommandRun.Of("image", "compare", a, b, "--target-format", "raw");
        Assert.That(run.Status, Is.Zero, run.Error);
        Assert.That(run.Output, Does.Contain("equal"));
    }

    [Test]
    public void Compare_OneByteDiffers_IsStatus1WithItsOffset()
    {
        var a = SampleImages.Qcow2(Directory);
        var b = SampleImages.As(Directory, a, "raw");
        using (var file = File.OpenWrite(b))
        {
            file.Position = 5_000_001;
            file.WriteByte(9);
        }

        var run = CommandRun.Of("image", "compare", a, b, "--json");
        Assert.That(run.Status, Is.EqualTo(1));
        var report = JsonDocument.Parse(run.Output).RootElement;
        Assert.That(report.GetProperty("equal").GetBoolean(), Is.False);
        Assert.That(report.GetProperty("firstDifference").GetInt64(), Is.EqualTo(5_000_001));
    }

    [Test]
    public void Compare_MissingFile_IsStatus4()
    {
        var run = CommandRun.Of("image", "compare", SampleImages.Qcow2(Directory), Directory.File("none"));
        Assert.That(run.Status, Is.EqualTo(4));
        Assert.That(run.Error, Does.Contain("no such file"));
    }

    [Test]
    public void Compare_ReferenceOutsideThePolicy_IsStatus4()
    {
        using var elsewhere = new TempDirectory();
        var backing = SampleImages.Qcow2(elsewhere);
        var top = SampleImages.Overlay(Directory, backing);
        Assert.That(CommandRun.Of("image", "compare", top, backing).Status, Is.EqualTo(4));
    }
}
