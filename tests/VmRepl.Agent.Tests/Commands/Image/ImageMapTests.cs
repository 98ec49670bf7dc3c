using System.Text.Json;

namespace VmRepl.Agent.Tests.Commands.Image;

internal sealed class ImageMapTests : ImageCommandTests
{
    [Test]
    public void Map_Qcow2_IsQemuImgsMap() => AssertAsQemuImg(SampleImages.Qcow2(Directory));

    [Test]
    public void Map_Overlay_IsQemuImgsMap() => AssertAsQemuImg(SampleImages.Overlay(Directory, Path.GetFileName(SampleImages.Qcow2(Directory))));

    [Test]
    public void Map_Raw_IsQemuImgsMap() => AssertAsQemuImg(SampleImages.As(Directory, SampleImages.Qcow2(Directory), "raw"));

    [Test]
    public void Map_Vmdk_IsQemuImgsMap() => AssertAsQemuImg(SampleImages.As(Directory, SampleImages.Qcow2(Directory), "vmdk"));

    [Test]
    public void Map_Compressed_SaysSo()
    {
        var source = SampleImages.Qcow2(Directory);
        var path = Directory.File("compressed.qcow2");
        ExternalTool.Run("qemu-img", "convert", "-q", "-c", "-O", "qcow2", source, path);
        var runs = JsonDocument.Parse(CommandRun.Of("image", "map", path, "--json").Output).RootElement.EnumerateArray().ToList();
        Assert.That(runs.Where(r => r.GetProperty("data").GetBoolean()).Select(r => r.GetProperty("compressed").GetBoolean()), Is.EqualTo(new[] { true }));
    }

    [Test]
    public void Map_EmptyDisk_IsAnEmptyArray()
    {
        var path = Directory.File("empty.raw");
        File.WriteAllBytes(path, []);
        Assert.That(CommandRun.Of("image", "map", path, "--source-format", "raw", "--json").Output.Trim(), Is.EqualTo("[]"));
    }

    [Test]
    public void Map_Bitmap_ListsWhatChangedSince()
    {
        var path = SampleImages.Qcow2(Directory);
        ExternalTool.Run("qemu-img", "bitmap", "--add", path, "monday");
        ExternalTool.Run("qemu-io", "-f", "qcow2", "-c", "write -P 4 2M 100k", path);
        Assert.That(CommandRun.Of("image", "map", path, "--bitmap", "monday", "--json").Output.Trim(), Is.EqualTo("""[{"start": 2097152, "length": 131072}]"""));
        ExternalTool.Run("qemu-img", "bitmap", "--disable", path, "monday");
        var disabled = CommandRun.Of("image", "map", path, "--bitmap", "monday");
        Assert.That((disabled.Status, disabled.Output.Split('\n')[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)), Is.EqualTo((0, new[] { "0x200000", "0x20000" })));
        Assert.That(disabled.Error, Does.Contain("disabled"));
    }

    [Test]
    public void Map_BitmapThatIsMissingOrNotToBeTrusted_Fails()
    {
        var path = SampleImages.Qcow2(Directory);
        ExternalTool.Run("qemu-img", "bitmap", "--add", path, "monday");
        Assert.That(CommandRun.Of("image", "map", path, "--bitmap", "sunday").Error, Does.Contain("sunday"));
        using (var file = File.OpenWrite(path))
        {
            file.Position = 95;
            file.WriteByte(0);
        }

        var run = CommandRun.Of("image", "map", path, "--bitmap", "monday", "--json");
        Assert.That((run.Status, run.Output), Is.EqualTo((1, "")));
        Assert.That(run.Error, Does.Contain("autoclear"));
    }

    [Test]
    public void Map_Layer_ListsWhatTheTopImageHolds()
    {
        var top = SampleImages.Overlay(Directory, Path.GetFileName(SampleImages.Qcow2(Directory)));
        Assert.That(CommandRun.Of("image", "map", top, "--layer", "--json").Output.Trim(), Is.EqualTo("[{\"start\": 2097152, \"length\": 131072},\n{\"start\": 5242880, \"length\": 65536}]"));
        Assert.That(CommandRun.Of("image", "map", Directory.File("base.qcow2"), "--layer").Error, Does.Contain("no backing file"));
        Assert.That(CommandRun.Of("image", "map", top, "--layer", "--bitmap", "b").Status, Is.EqualTo(2));
    }

    [Test]
    public void Map_Human_CoversTheDisk()
    {
        var run = CommandRun.Of("image", "map", SampleImages.Qcow2(Directory));
        var rows = run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)).ToList();
        Assert.That(rows.Sum(r => Convert.ToInt64(r[1], 16)), Is.EqualTo(8 << 20));
        Assert.That(rows.Select(r => r[2]), Is.EqualTo(new[] { "unallocated", "data", "unallocated", "zero", "unallocated" }));
    }

    private static void AssertAsQemuImg(string path)
    {
        var run = CommandRun.Of("image", "map", path, "--json");
        Assert.That(run.Status, Is.Zero, run.Error);
        var theirs = JsonDocument.Parse(ExternalTool.Run("qemu-img", "map", "--output=json", path)).RootElement;
        Assert.That(Rows(JsonDocument.Parse(run.Output).RootElement), Is.EqualTo(Rows(theirs)));
    }

    private static List<string> Rows(JsonElement map) =>
        [.. map.EnumerateArray().Select(r => string.Join(' ', r.EnumerateObject().Select(p => $"{p.Name}={p.Value.GetRawText()}").Order(StringComparer.Ordinal)))];
}
