namespace VmRepl.Images.Tests.Vmdk;

internal sealed class VmdkCrashTests
{
    [Test]
    public void Write_CutAtAnyChange_LeavesOldOrNewContents([Range(1, 6)] int seed) =>
        Assert.That(CrashTrial.Run(ImageFormat.Vmdk, seed, 6 << 20), Is.GreaterThan(10));
}
