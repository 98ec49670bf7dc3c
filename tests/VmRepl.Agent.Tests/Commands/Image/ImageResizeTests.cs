using System.Text.Json;

namespace VmRepl.Agent.Tests.Commands.Image;

internal sealed class ImageResizeTests : ImageCommandTests
{
    [TestCase("raw")]
    [TestCase("qcow2")]
    [TestCase("vhdx")]
    [TestCase("vmdk")]
    public void Resize_Longer_IsTheSameDiskWithZerosBehindIt(string format)
    {
        var source = SampleImages.Qcow2(Directory);
        var path = SampleImages.As(Directory, source, format);
        var run = CommandRun.Of("image", "resize", path, "--size", "50MiB", "--source-format", format, "--json");
        Assert.That(run.Status, Is.Zero, run.Error);
        var report = JsonDocument.Parse(run.Output).RootElement;
        Assert.That(report.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "file", "format", "sizeBefore", "size" }));
        Assert.That((report.GetProperty("sizeBefore").GetInt64(), report.GetProperty("size").GetInt64()), Is.EqualTo((8L << 20, 50L << 20)));
        ExternalTool.Run("qemu-img", "compare", "-f", "qcow2", "-F", format, source, path);
        Assert.That(JsonDocument.Parse(ExternalTool.Run("qemu-img", "info", "-f", format, "--output=json", path)).RootElement.GetProperty("virtual-size").GetInt64(), Is.EqualTo(50L << 20));
    }

    [Test]
    public void Resize_Shorter_IsRefusedUnlessAskedForAndNothingIsLost()
    {
        var path = SampleImages.Qcow2(Directory);
        var before = File.ReadAllBytes(path);
        var unasked = CommandRun.Of("image", "resize", path, "--size", "4MiB");
        Assert.That(unasked.Status, Is.EqualTo(3), unasked.Output);
        Assert.That(unasked.Error, Does.Contain("--shrink"));
        Assert.That(CommandRun.Of("image", "resize", path, "--size", "1MiB", "--shrink").Status, Is.EqualTo(3), "there is data at 1 MiB");
        Assert.That(File.ReadAllBytes(path), Is.EqualTo(before));
        Assert.That(CommandRun.Of("image", "resize", path, "--size", "4MiB", "--shrink").Status, Is.Zero);
        ExternalTool.Run("qemu-img", "check", path);
    }

    [Test]
    public void Resize_OfAnImageThatQemuHasOpen_IsRefused()
    {
        ExternalTool.Require("qemu-io");
        var path = SampleImages.Qcow2(Directory);
        using var holder = ExternalTool.Start("qemu-io", "-f", "qcow2", path);
        try
        {
            // It answers when it has the image open.
            holder.StandardInput.WriteLine("read 0 512");
            holder.StandardInput.Flush();
            for (string? line = ""; line is not null && !line.Contains("read 512", StringComparison.Ordinal); line = holder.StandardOutput.ReadLine())
            {
            }

            var run = CommandRun.Of("image", "resize", path, "--size", "50MiB");
            Assert.That(run.Status, Is.EqualTo(3), run.Output + run.Error);
        }
        finally
        {
            holder.StandardInput.Close();
            holder.WaitForExit();
        }
    }
}
