namespace VmRepl.Images.Tests.Overlays;

/// <summary>A crash at any write into an overlay: each sector is as of the last flush or as written since, and where it was never written, the parent's.</summary>
internal sealed class OverlayCrashTests
{
    private const int Length = 5 << 20;

    [Test]
    public void Write_CutAtAnyChange_LeavesOldOrNewContents([Values(ImageFormat.Qcow2, ImageFormat.Vhdx, ImageFormat.Vmdk, ImageFormat.Vhd)] ImageFormat format, [Range(1, 6)] int seed)
    {
        using var folder = new TestFolder();
        var isJudged = format == ImageFormat.Qcow2 && ExternalTool.IsInstalled("qemu-img");
        var crashes = CrashTrial.Run(format, seed, Length, DiskContents.Random(1000 + seed, Length), left =>
        {
            if (!isJudged) return;
            var path = folder.File("left.qcow2");
            File.WriteAllBytes(path, left);
            // 3: clusters are lost, and nothing else. The backing file is not looked at.
            var (status, output, error) = ExternalTool.Try("qemu-img", "check", "-f", "qcow2", "-U", $"json:{{\"driver\":\"qcow2\",\"backing\":null,\"file.filename\":\"{path}\"}}");
            Assert.That(status, Is.Zero.Or.EqualTo(3), output + error);
        });
        Assert.That(crashes, Is.GreaterThan(10));
    }
}
