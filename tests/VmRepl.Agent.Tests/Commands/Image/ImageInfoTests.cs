using System.Text.Json;

namespace VmRepl.Agent.Tests.Commands.Image;

internal sealed class ImageInfoTests : ImageCommandTests
{
    [Test]
    public void Info_Qcow2_HasQemuImgsKeysAndValues() => AssertAsQemuImg(SampleImages.Qcow2(Directory));

    [Test]
    public void Info_Qcow2Version2_HasQemuImgsKeysAndValues() => AssertAsQemuImg(SampleImages.Qcow2(Directory, "v2.qcow2", "-o", "compat=0.10"));

    [Test]
    public void Info_Overlay_HasQemuImgsKeysAndValues()
    {
        var backing = SampleImages.Qcow2(Directory);
        AssertAsQemuImg(SampleImages.Overlay(Directory, Path.GetFileName(backing)));
    }

    [Test]
    public void Info_Raw_HasQemuImgsKeysAndValues() => AssertAsQemuImg(SampleImages.As(Directory, SampleImages.Qcow2(Directory), "raw"));

    [Test]
    public void Info_Vhdx_HasQemuImgsSizes()
    {
        var path = SampleImages.As(Directory, SampleImages.Qcow2(Directory), "vhdx");
        var ours = Json(CommandRun.Of("image", "info", path, "--json"));
        var theirs = JsonDocument.Parse(ExternalTool.Run("qemu-img", "info", "--output=json", path)).RootElement;
        foreach (var key in new[] { "filename", "format", "virtual-size", "actual-size", "cluster-size", "dirty-flag" })
            Assert.That(ours.GetProperty(key).GetRawText(), Is.EqualTo(theirs.GetProperty(key).GetRawText()), key);
    }

    [Test]
    public void Info_Vmdk_HasQemuImgsSizesAndIdentity()
    {
        var path = SampleImages.As(Directory, SampleImages.Qcow2(Directory), "vmdk");
        var ours = Json(CommandRun.Of("image", "info", path, "--json"));
        var theirs = JsonDocument.Parse(ExternalTool.Run("qemu-img", "info", "--output=json", path)).RootElement;
        foreach (var key in new[] { "filename", "format", "virtual-size", "actual-size", "cluster-size", "dirty-flag" })
            Assert.That(ours.GetProperty(key).GetRawText(), Is.EqualTo(theirs.GetProperty(key).GetRawText()), key);
        foreach (var key in new[] { "cid", "create-type" })
            Assert.That(Data(ours, key), Is.EqualTo(Data(theirs, key)), key);

        static string Data(JsonElement info, string key) => info.GetProperty("format-specific").GetProperty("data").GetProperty(key).GetRawText();
    }

    [Test]
    public void Info_SourceFormatRaw_IsNotProbed()
    {
        var path = SampleImages.Qcow2(Directory);
        var run = CommandRun.Of("image", "info", path, "--source-format", "raw", "--json");
        Assert.That(Json(run).GetProperty("format").GetString(), Is.EqualTo("raw"));
    }

    [Test]
    public void Info_Human_SaysWhatWasProbed()
    {
        var path = SampleImages.Qcow2(Directory);
        var run = CommandRun.Of("image", "info", path);
        Assert.That(run.Status, Is.Zero);
        Assert.That(run.Output, Does.Contain("virtual size: 8 MiB (8388608 bytes)").And.Contain("file format: qcow2"));
        Assert.That(run.Error, Does.Contain("probed").And.Contain("qcow2"));
    }

    [Test]
    public void Info_BackingFileOutsideTheDirectory_IsRefusedUnlessAllowed()
    {
        using var elsewhere = new TempDirectory();
        var backing = SampleImages.Qcow2(elsewhere);
        var top = SampleImages.Overlay(Directory, backing);
        var refused = CommandRun.Of("image", "info", top);
        Assert.That(refused.Status, Is.EqualTo(3));
        Assert.That(refused.Error, Does.Contain(backing).And.Contain("--allow"));
        Assert.That(CommandRun.Of("image", "info", top, "--allow", elsewhere.Path).Status, Is.Zero);
    }

    [Test]
    public void Info_SnapshotsAndChangeTracking_AreListed()
    {
        var top = SampleImages.Overlay(Directory, Path.GetFileName(SampleImages.Qcow2(Directory)));
        ExternalTool.Run("qemu-img", "snapshot", "-c", "before", top);
        ExternalTool.Run("qemu-img", "bitmap", "--add", "-g", "4096", top, "monday");
        ExternalTool.Run("qemu-img", "bitmap", "--add", "--disable", top, "sunday");
        var json = Json(CommandRun.Of("image", "info", top, "--json"));
        var snapshot = json.GetProperty("snapshots").EnumerateArray().Single();
        Assert.That((snapshot.GetProperty("id").GetString(), snapshot.GetProperty("name").GetString(), snapshot.GetProperty("disk-size").GetInt64()), Is.EqualTo(("1", "before", 8L << 20)));
        Assert.That(json.GetProperty("change-tracking").EnumerateArray().Select(t => string.Join(' ', t.EnumerateObject().Select(p => p.Value.ToString()))), Is.EquivalentTo(new[]
        {
            "bitmap monday 4096 recording", "bitmap sunday 65536 disabled", "layer base.qcow2 65536 recording",
        }));
        Assert.That(CommandRun.Of("image", "info", top).Output, Does.Contain("1: before").And.Contain("bitmap monday: recording, granularity 4096").And.Contain("layer base.qcow2: recording"));
    }

    [Test]
    public void Info_MissingFile_Fails()
    {
        var run = CommandRun.Of("image", "info", Directory.File("none.raw"));
        Assert.That(run.Status, Is.EqualTo(1));
        Assert.That(run.Error, Does.Contain("none.raw").And.Contain("no such file"));
    }

    [Test]
    public void Info_Directory_Fails() => Assert.That(CommandRun.Of("image", "info", Directory.Path).Status, Is.EqualTo(1));

    [Test]
    public void Info_CorruptHeader_FailsNamingTheField()
    {
        var path = Directory.File("bad.qcow2");
        File.WriteAllBytes(path, [0x51, 0x46, 0x49, 0xFB, 0, 0, 0, 9, .. new byte[4096]]);
        var run = CommandRun.Of("image", "info", path, "--json");
        Assert.That(run.Status, Is.EqualTo(1));
        Assert.That(run.Output, Is.Empty);
        Assert.That(JsonDocument.Parse(run.Error).RootElement.GetProperty("error").GetProperty("message").GetString(), Does.Contain("bad.qcow2"));
    }

    private static JsonElement Json(CommandRun run)
    {
        Assert.That(run.Status, Is.Zero, run.Error);
        Assert.That(run.Error, Is.Empty);
        return JsonDocument.Parse(run.Output).RootElement;
    }

    private static void AssertAsQemuImg(string path)
    {
        var ours = Json(CommandRun.Of("image", "info", path, "--json"));
        var theirs = JsonDocument.Parse(ExternalTool.Run("qemu-img", "info", "--output=json", path)).RootElement;
        // What qemu-img has no word for.
        Assert.That(Flat(ours, "").Where(l => !l.StartsWith("/change-tracking ", StringComparison.Ordinal)), Is.EquivalentTo(Flat(theirs, "")));
    }

    private static IEnumerable<string> Flat(JsonElement element, string path) => element.ValueKind == JsonValueKind.Object
        ? element.EnumerateObject().SelectMany(p => Flat(p.Value, $"{path}/{p.Name}"))
        : [$"{path} = {element.GetRawText()}"];
}
