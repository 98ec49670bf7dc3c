using System.Text.Json;

namespace VmRepl.Agent.Tests.Commands.Image;

internal sealed class ImageMapTests
{
    private TempDirectory directory = null!;

    [SetUp]
    public void SetUp() => directory = new TempDirectory();

    [TearDown]
    public void TearDown() => directory.Dispose();

    [Test]
    public void Map_Qcow2_IsQemuImgsMap() => AssertAsQemuImg(SampleImages.Qcow2(directory));

    [Test]
    public void Map_Overlay_IsQemuImgsMap() => AssertAsQemuImg(SampleImages.Overlay(directory, Path.GetFileName(SampleImages.Qcow2(directory))));

    [Test]
    public void Map_Raw_IsQemuImgsMap() => AssertAsQemuImg(SampleImages.As(directory, SampleImages.Qcow2(directory), "raw"));

    [Test]
    public void Map_Vmdk_IsQemuImgsMap() => AssertAsQemuImg(SampleImages.As(directory, SampleImages.Qcow2(directory), "vmdk"));

    [Test]
    public void Map_Compressed_SaysSo()
    {
        var source = SampleImages.Qcow2(directory);
        var path = directory.File("compressed.qcow2");
        ExternalTool.Run("qemu-img", "convert", "-q", "-c", "-O", "qcow2", source, path);
        var runs = JsonDocument.Parse(CommandRun.Of("image", "map", path, "--json").Output).RootElement.EnumerateArray().ToList();
        Assert.That(runs.Where(r => r.GetProperty("data").GetBoolean()).Select(r => r.GetProperty("compressed").GetBoolean()), Is.EqualTo(new[] { true }));
    }

    [Test]
    public void Map_EmptyDisk_IsAnEmptyArray()
    {
        var path = directory.File("empty.raw");
        File.WriteAllBytes(path, []);
        Assert.That(CommandRun.Of("image", "map", path, "--source-format", "raw", "--json").Output.Trim(), Is.EqualTo("[]"));
    }

    [Test]
    public void Map_Human_CoversTheDisk()
    {
        var run = CommandRun.Of("image", "map", SampleImages.Qcow2(directory));
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
