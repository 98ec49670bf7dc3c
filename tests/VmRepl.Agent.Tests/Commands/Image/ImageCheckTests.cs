using System.Text.Json;

namespace VmRepl.Agent.Tests.Commands.Image;

internal sealed class ImageCheckTests : ImageCommandTests
{
    [Test]
    public void Check_CleanImage_IsStatus0()
    {
        var run = CommandRun.Of("image", "check", SampleImages.Qcow2(Directory), "--json");
        Assert.That(run.Status, Is.Zero, run.Error);
        Assert.That(JsonDocument.Parse(run.Output).RootElement.GetProperty("corruptions").GetInt32(), Is.Zero);
    }

    [Test]
    public void Check_ReferenceCountZeroed_IsStatus1AndTellsWhatIsDamaged()
    {
        var path = SampleImages.Qcow2(Directory);
        // QCOW2 as qemu-img lays it out: refcount block in the third cluster of 64 KiB. The data cluster's count goes.
        using (var file = File.OpenWrite(path))
        {
            file.Position = 0x20000 + (5 * 2);
            file.Write([0, 0]);
        }

        Assert.That(ExternalTool.Try("qemu-img", "check", path).Status, Is.EqualTo(2), "the referee sees it too");
        var run = CommandRun.Of("image", "check", path, "--json");
        Assert.That(run.Status, Is.EqualTo(1));
        var findings = JsonDocument.Parse(run.Output).RootElement.GetProperty("findings").EnumerateArray().ToList();
        Assert.That(findings.Any(f => f.GetProperty("damage").GetBoolean()), Is.True);
    }

    [Test]
    public void Check_Unreadable_IsStatus1()
    {
        var path = Directory.File("bad.qcow2");
        File.WriteAllBytes(path, [0x51, 0x46, 0x49, 0xFB, 0, 0, 0, 3]);
        Assert.That(CommandRun.Of("image", "check", path).Status, Is.EqualTo(1));
    }
}
